# Postern. `make help` lists what can be made.
#
# A file NAME_main.c builds the program NAME: a command (build/sbin) from cli/ and observe/, and from any folder when NAME is
# post...-...; a service (build/libexec) from any other folder. Everything else in a folder is linked into that folder's programs;
# util/ and mail/ are linked into all. Nothing is listed here by name.

BUILD    ?= build
V        ?=
Q        := $(if $(V),,@)
SANITIZE ?=
PREFIX   ?= /usr
DESTDIR  ?=
CC       ?= gcc

PACKAGES  := libevent libevent_pthreads openssl lmdb libpcre2-8 libcares libcrypt libcurl zlib icu-uc
DEBIAN    := gcc make pkg-config libevent-dev libssl-dev liblmdb-dev libpcre2-dev libc-ares-dev libcrypt-dev libcurl4-openssl-dev zlib1g-dev libicu-dev libidn2-dev
DEBIAN_TEST := $(DEBIAN) libcmocka-dev python3-pytest python3-pytest-xdist
DEBIAN_FUZZ := $(DEBIAN) clang libclang-rt-14-dev
DEBIAN_BENCH := $(DEBIAN_TEST) postfix

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CPPFLAGS += -I. -I$(BUILD)/generated -D_GNU_SOURCE
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARNINGS) $(CFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer,-fstack-protector-strong) -fPIE
ALL_LDFLAGS = $(LDFLAGS) -pie -Wl,-z,relro,-z,now,--as-needed $(if $(SANITIZE),-fsanitize=$(SANITIZE)) -pthread

SOURCES  := $(wildcard util/*/*.c mail/*/*.c)
FOLDERS  := $(patsubst %/,%,$(sort $(dir $(wildcard */*_main.c))))
MAINS    := $(wildcard $(addsuffix /*_main.c,$(FOLDERS)))
MODULES   = $(filter-out %_main.c,$(wildcard $(1)/*.c))
DEFS     := $(sort $(wildcard mail/*/*.def $(addsuffix /*.def,$(FOLDERS))))
PARAMETER_DEFS := $(filter-out mail/ipc/% mail/restriction/%,$(DEFS))

COMMAND_MAINS := $(sort $(filter cli/% observe/%,$(MAINS)) $(wildcard */post*-*_main.c))
COMMANDS := $(foreach m,$(COMMAND_MAINS),$(BUILD)/sbin/$(patsubst %_main.c,%,$(notdir $(m))))
SERVICES := $(foreach m,$(filter-out $(COMMAND_MAINS),$(MAINS)),$(BUILD)/libexec/$(patsubst %_main.c,%,$(notdir $(m))))
TEST_SERVICES := $(patsubst tests/system/services/%_main.c,$(BUILD)/test-services/%,$(wildcard tests/system/services/*_main.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/*_test.c))

FUZZ_TARGETS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
SECONDS  ?= 10

.SECONDARY:
.PHONY: all clean help run check unit system check-peer bench layers fuzz fuzzers manual install deb dependencies test-dependencies
all: $(COMMANDS) $(SERVICES) $(if $(wildcard smtp/smtp_main.c),$(BUILD)/libexec/lmtp) $(BUILD)/sbin/mailq $(BUILD)/sbin/newaliases

help:
	@sed -n 's/^#: //p' Makefile

#: make                build the commands and services into build/ (V=1 shows the compiler lines)
#: make run            install what is missing, build, run a private instance and send mail through it
#: make check          install what is missing, build with sanitizers, run all tests
#: make check-peer     the scenarios of tests/system against Postern and against Debian's Postfix
#: make bench ROWS=kept-4k  speed beside Debian's Postfix, one row or all, into docs/measurements.md
#: make fuzz SECONDS=60  run each fuzz target for so long
#: make manual         write the manual pages into build/man
#: make deb            build a Debian package into build/
#: make install        lay out a system under $DESTDIR and $PREFIX

LIBS = $(shell pkg-config --libs $(PACKAGES)) -pthread -lm
CPPFLAGS += $(shell pkg-config --cflags $(PACKAGES))

# ---- rules ----
$(BUILD)/obj/%.o: %.c | $(BUILD)/generated/parameters.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# All parameters of all programs, for postconf and for the check of unknown names.
$(BUILD)/generated/parameters.h: $(PARAMETER_DEFS) Makefile
	@mkdir -p $(@D)
	@for def in $(PARAMETER_DEFS); do echo "#include \"$$def\""; done > $@

$(BUILD)/libpostern.a: $(SOURCES:%.c=$(BUILD)/obj/%.o)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

define folder_rules
$(BUILD)/obj/$(1)/folder.a: $(patsubst %.c,$(BUILD)/obj/%.o,$(call MODULES,$(1)))
	@mkdir -p $$(@D); rm -f $$@
	$(Q)$$(AR) rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

define program_rules
$(BUILD)/$(2)/$(3): $(BUILD)/obj/$(1:.c=.o) $(BUILD)/obj/$(patsubst %/,%,$(dir $(1)))/folder.a $(BUILD)/libpostern.a
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  LINK  $$@")
	$(Q)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(LIBS)
endef
$(foreach m,$(MAINS),$(eval $(call program_rules,$(m),$(if $(filter $(COMMAND_MAINS),$(m)),sbin,libexec),$(patsubst %_main.c,%,$(notdir $(m))))))

$(BUILD)/libexec/lmtp: $(BUILD)/libexec/smtp
	$(Q)ln -sf smtp $@

$(BUILD)/sbin/mailq $(BUILD)/sbin/newaliases: $(BUILD)/sbin/sendmail
	ln -sf sendmail $@

# Stand-ins for services, for the tests of what surrounds them.
$(BUILD)/test-services/%: $(BUILD)/obj/tests/system/services/%_main.o $(BUILD)/libpostern.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# A unit test links its subject's folder when it is named FOLDER_..._test.c and FOLDER is a service's.
$(BUILD)/unit/%: tests/unit/%.c $(foreach f,$(FOLDERS),$(BUILD)/obj/$(f)/folder.a) $(BUILD)/libpostern.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -MMD -MP -o $@ $< -Wl,--start-group $(foreach f,$(FOLDERS),$(BUILD)/obj/$(f)/folder.a) -Wl,--end-group $(BUILD)/libpostern.a $(LIBS) -lcmocka

# A fuzz target is a fuzzer (with clang), and a unit test that replays its corpus.
FUZZ_PARTS = tests/fuzz/fuzz.c -Wl,--start-group $(foreach f,$(FOLDERS),$(BUILD)/obj/$(f)/folder.a) -Wl,--end-group $(BUILD)/libpostern.a $(LIBS)
FUZZ_NEEDS := tests/fuzz/fuzz.c $(foreach f,$(FOLDERS),$(BUILD)/obj/$(f)/folder.a) $(BUILD)/libpostern.a
$(BUILD)/fuzz/%: tests/fuzz/%_fuzz.c $(FUZZ_NEEDS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(FUZZ_PARTS)

$(BUILD)/unit/%_replay_test: tests/fuzz/%_fuzz.c tests/fuzz/replay.c $(FUZZ_NEEDS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -DCORPUS='"tests/fuzz/corpus/$*"' $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< tests/fuzz/replay.c $(FUZZ_PARTS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- what people type ----
dependencies:
	@sh conf/install-packages $(DEBIAN)

# As root, tests run services as the user that an installed system has.
test-dependencies:
	@sh conf/install-packages $(DEBIAN_TEST)
	@[ "$$(id -u)" != 0 ] || sh conf/make-users

run: dependencies
	@$(MAKE) --no-print-directory all
	@bash conf/run-private $(abspath $(BUILD))

unit: $(UNIT_TESTS) $(FUZZ_TARGETS:%=$(BUILD)/unit/%_replay_test)

fuzzers: $(FUZZ_TARGETS:%=$(BUILD)/fuzz/%)

fuzz:
	@sh conf/install-packages $(DEBIAN_FUZZ)
	@$(MAKE) --no-print-directory -j$$(nproc) fuzzers BUILD=build/clang CC=clang SANITIZE=fuzzer-no-link,address,undefined CFLAGS="-O1 -g"
	@sh tests/fuzz/run build/clang $(SECONDS)

system: all $(TEST_SERVICES)

check: test-dependencies
	@$(MAKE) --no-print-directory -j$$(nproc) unit system BUILD=build/test SANITIZE=address,undefined CFLAGS="-O1 -g"
	@bash tests/check build/test

check-peer: test-dependencies
	@$(MAKE) --no-print-directory system
	@bash tests/check-peer $(BUILD)

$(BUILD)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

bench: test-dependencies
	@sh conf/install-packages $(DEBIAN_BENCH)
	@$(MAKE) --no-print-directory all $(BUILD)/bench/slow_sink
	@python3 tests/bench/bench.py $(BUILD) $(ROWS)

layers:
	@sh tests/layers

manual:
	@CC="$(CC)" sh docs/man/generate $(BUILD)/man

install: all manual
	sh conf/install-tree $(BUILD) "$(DESTDIR)" "$(PREFIX)"

deb: all manual
	sh conf/make-deb $(BUILD)

clean:
	rm -rf $(BUILD)
