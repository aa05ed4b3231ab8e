#include "tlsrpt/sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tlsrpt/message.h"
#include "tlsrpt/record.h"
#include "util/base/list.h"
#include "util/base/log.h"
#include "util/base/memory.h"
#include "util/task/task.h"
#include "util/web/gzip.h"
#include "util/web/http.h"

enum { REPORTS_AT_ONCE = 8, ROUNDS = 240, LOOKUP_SECONDS = 60, LONGEST_RETRY = 4 * 3600, ANSWER_LIMIT = 64 * 1024 };

/* When the clock is set, plans are made again after this at the latest; seconds. */
enum { LONGEST_SLEEP = 3600 };

struct sender {
    struct tlsrpt *tlsrpt;
    int64_t wake_at; /* seconds since 1970; INT64_MAX: there is nothing to wait for */
    struct task_condition planned;   /* wake_at has changed */
    struct task_semaphore one_round; /* at a time */
    struct task_semaphore places;
    struct task_condition all_done;
    size_t under_way;
    bool draining;
};

enum outcome { REPORT_SENT, REPORT_UNWANTED, REPORT_FAILED };

/* One report and the task that it is sent in. */
struct errand {
    struct link link; /* while it has not begun */
    struct sender *sender;
    struct tlsrpt_domain *domain;
    struct tlsrpt_sent *sent;
    struct arena *arena;
    struct record record;
    struct text gzip;
    struct tlsrpt_sums sums;
};

/* ---- when ---- */

int64_t sender_due(const struct tlsrpt_domain *domain, int64_t maximal_delay)
{
    char drawn[9] = "";
    int64_t due;

    strncat(drawn, domain->id, sizeof drawn - 1);
    due = domain->end + (int64_t)strtoul(drawn, NULL, 16) * maximal_delay / INT64_C(0x100000000);
    return domain->next_try > due ? domain->next_try : due;
}

int64_t sender_retry_delay(int64_t attempts, int64_t first)
{
    int64_t delay = first;

    while (--attempts > 0 && delay < LONGEST_RETRY)
        delay *= 2;
    return first > LONGEST_RETRY ? first : delay < LONGEST_RETRY ? delay : LONGEST_RETRY;
}

static int64_t due(const struct sender *sender, const struct tlsrpt_domain *domain)
{
    return sender_due(domain, sender->tlsrpt->config->tlsrpt_maximal_delay / SECONDS);
}

static int64_t now_in_seconds(void)
{
    return clock_wall() / SECONDS;
}

/* ---- where to ---- */

static enum outcome read_answer(struct errand *errand, const struct dns_answer *answer)
{
    const char *found = NULL;

    for (size_t i = 0; i < answer->count; i++) {
        const struct dns_record *record = &answer->records[i];

        if (record->type != DNS_TXT || !record_is_meant(record->name))
            continue;
        if (found != NULL)
            return REPORT_UNWANTED;
        found = record->name;
    }
    if (found == NULL)
        return REPORT_UNWANTED;
    if (record_parse(found, errand->arena, &errand->record))
        return REPORT_SENT;
    log_info(NULL, "no report for %s: its record is malformed, or has no usable destination: %.200s", errand->domain->domain, found);
    return REPORT_UNWANTED;
}

/* REPORT_SENT: the destinations are known. */
static enum outcome find_destinations(struct errand *errand)
{
    const char *name = arena_format(errand->arena, "_smtp._tls.%s", errand->domain->domain);
    struct dns_answer answer;
    struct error error;

    switch (dns_lookup(errand->sender->tlsrpt->dns, name, DNS_TXT, deadline_in(LOOKUP_SECONDS * SECONDS), errand->arena, &answer,
                       &error)) {
    case DNS_OK: return read_answer(errand, &answer);
    case DNS_NOT_FOUND:
    case DNS_NO_DATA:
    case DNS_INVALID: return REPORT_UNWANTED;
    default:
        log_info(NULL, "report for %s waits: %s", errand->domain->domain, error.text);
        return REPORT_FAILED;
    }
}

/* ---- sending ---- */

static bool post(struct errand *errand, const char *url, struct error *error)
{
    const struct tlsrpt_config *config = errand->sender->tlsrpt->config;
    const struct http_request request = {.url = url,
                                         .content_type = "application/tlsrpt+gzip",
                                         .body = errand->gzip.data,
                                         .body_length = errand->gzip.length,
                                         .user_agent = POSTERN_MAIL_NAME,
                                         .ca_file = config->tlsrpt_tls_CAfile,
                                         .ca_path = "",
                                         .time_limit = config->tlsrpt_https_timeout,
                                         .size_limit = ANSWER_LIMIT};
    struct http_answer answer;
    bool taken = http_fetch(&request, &answer, error);

    if (taken && answer.status / 100 != 2)
        taken = error_set(error, "the server answered with status %ld", answer.status);
    text_free(&answer.body);
    return taken;
}

static bool mail(struct errand *errand, const char *to, const char **queue_id, struct error *error)
{
    const struct report_message message = {
        .domain = errand->domain, .to = to, .gzip = errand->gzip.data, .length = errand->gzip.length};

    return report_message_submit(errand->sender->tlsrpt, &message, errand->arena, queue_id, error);
}

static void log_sent(const struct errand *errand, const char *uri, const char *queue_id)
{
    const struct tlsrpt_sums *sums = &errand->sums;
    char start[TLSRPT_TIME_SIZE], end[TLSRPT_TIME_SIZE], unlisted[60] = "";

    if (sums->unlisted > 0)
        snprintf(unlisted, sizeof unlisted, ", %lld of them not listed", (long long)sums->unlisted);
    log_info(NULL, "report for %s sent to %s%s%s, from=%s, to=%s, successes=%lld, failures=%lld%s", errand->domain->domain, uri,
             *queue_id != '\0' ? " as " : "", queue_id, tlsrpt_time(errand->domain->start, start),
             tlsrpt_time(errand->domain->end - 1, end), (long long)sums->successes, (long long)sums->failures, unlisted);
}

static bool has_it(const struct tlsrpt_domain *domain, const char *uri)
{
    for (size_t i = 0; i < domain->done.count; i++)
        if (string_equal(domain->done.items[i], uri))
            return true;
    return false;
}

static void note_done(struct errand *errand, const char *uri)
{
    struct ipc_strings *done = &errand->domain->done;
    const char **more = arena_alloc(errand->arena, (done->count + 1) * sizeof *more);
    struct error error;

    if (done->count > 0)
        memcpy(more, done->items, done->count * sizeof *more);
    more[done->count++] = uri;
    done->items = more;
    if (!tlsrpt_counts_save(errand->sender->tlsrpt->counts, errand->domain, &error))
        log_warning(NULL, "%s", error.text);
}

/* Each destination is sent the report, once. */
static enum outcome send_to_all(struct errand *errand)
{
    enum outcome outcome = REPORT_SENT;

    for (size_t i = 0; i < errand->record.count; i++) {
        const struct record_destination *to = &errand->record.destinations[i];
        const char *queue_id = "";
        struct error error;

        if (has_it(errand->domain, to->uri))
            continue;
        if (to->address != NULL ? mail(errand, to->address, &queue_id, &error) : post(errand, to->uri, &error)) {
            log_sent(errand, to->uri, queue_id);
            note_done(errand, to->uri);
        } else {
            log_warning(NULL, "report for %s not sent to %s: %s", errand->domain->domain, to->uri, error.text);
            outcome = REPORT_FAILED;
        }
    }
    return outcome;
}

static bool make_report(struct errand *errand, struct error *error)
{
    const struct tlsrpt *tlsrpt = errand->sender->tlsrpt;
    struct text json = {0};
    bool made = tlsrpt_report_append(tlsrpt->counts, errand->domain, &tlsrpt->reporter, &json, &errand->sums, error);

    if (made)
        gzip_append(json.data, json.length, &errand->gzip);
    text_free(&json);
    return made;
}

/* The next try is planned before this one: whoever else looks meanwhile, and whoever comes after a crash, leaves it alone. */
static enum outcome try(struct errand *errand)
{
    struct tlsrpt *tlsrpt = errand->sender->tlsrpt;
    struct tlsrpt_domain *domain = errand->domain;
    enum outcome outcome = REPORT_FAILED;
    struct error error;

    domain->attempts++;
    domain->next_try = now_in_seconds() + sender_retry_delay(domain->attempts, tlsrpt->config->tlsrpt_retry_delay / SECONDS);
    if (tlsrpt_counts_save(tlsrpt->counts, domain, &error) && make_report(errand, &error)) {
        outcome = find_destinations(errand);
        return outcome == REPORT_SENT ? send_to_all(errand) : outcome;
    }
    log_warning(NULL, "report for %s: %s", domain->domain, error.text);
    return outcome;
}

static bool is_too_late(const struct errand *errand)
{
    const struct tlsrpt_config *config = errand->sender->tlsrpt->config;
    struct tlsrpt_domain first = *errand->domain;

    first.next_try = 0;
    return now_in_seconds() >= due(errand->sender, &first) + config->tlsrpt_maximal_retry_time / SECONDS;
}

static void settle(struct errand *errand, enum outcome outcome)
{
    struct sender *sender = errand->sender;
    struct tlsrpt_domain *domain = errand->domain;
    struct error error;

    switch (outcome) {
    case REPORT_SENT: errand->sent->sent++; break;
    case REPORT_UNWANTED: errand->sent->unwanted++; break;
    case REPORT_FAILED: errand->sent->failed++; break;
    }
    if (outcome == REPORT_FAILED && !is_too_late(errand)) {
        if (domain->next_try < sender->wake_at)
            sender->wake_at = domain->next_try;
        return;
    }
    if (outcome == REPORT_FAILED)
        log_warning(NULL, "report for %s given up after %lld tries", domain->domain, (long long)domain->attempts);
    if (!tlsrpt_counts_forget(sender->tlsrpt->counts, domain, &error))
        log_warning(NULL, "%s", error.text);
}

static void run_errand(void *argument)
{
    struct errand *errand = argument;
    struct sender *sender = errand->sender;

    settle(errand, try(errand));
    text_free(&errand->gzip);
    arena_free(errand->arena);
    free(errand);
    task_semaphore_give(&sender->places);
    if (--sender->under_way == 0) {
        task_condition_wake_all(&sender->all_done);
        service_no_longer_busy(sender->tlsrpt->environment);
    }
}

/* ---- rounds ---- */

struct round {
    struct sender *sender;
    bool hurry;
    const char *only; /* "": every domain */
    int64_t now, wake_at;
    struct list errands;
};

static bool look_at(void *context, const struct tlsrpt_domain *domain)
{
    struct round *round = context;
    bool over = domain->end <= round->now;
    int64_t when = over ? due(round->sender, domain) : domain->end;
    struct errand *errand;

    if (*round->only != '\0' && !string_equal_ignore_case(round->only, domain->domain))
        return true;
    if (!over || (!round->hurry && when > round->now)) {
        if (when < round->wake_at)
            round->wake_at = when;
        return true;
    }
    errand = memory_new(sizeof *errand);
    errand->sender = round->sender;
    errand->arena = arena_new();
    errand->domain = ipc_copy(&ipc_tlsrpt_domain, domain, errand->arena);
    list_append(&round->errands, &errand->link);
    return true;
}

/* A draining process leaves the rest to the next one. */
static void begin_errand(struct sender *sender, struct errand *errand, struct tlsrpt_sent *sent)
{
    if (task_semaphore_take(&sender->places, deadline_never()) != WAIT_READY || sender->draining) {
        arena_free(errand->arena);
        free(errand);
        return;
    }
    errand->sent = sent;
    sender->under_way++;
    task_start(run_errand, errand);
}

static void send_all(struct round *round, struct tlsrpt_sent *sent)
{
    struct sender *sender = round->sender;
    struct error error;

    if (sender->tlsrpt->counts == NULL)
        return;
    if (!tlsrpt_counts_each(sender->tlsrpt->counts, look_at, round, &error))
        log_warning(NULL, "%s", error.text);
    if (*round->only == '\0' || round->wake_at < sender->wake_at)
        sender->wake_at = round->wake_at;
    while (!list_empty(&round->errands)) {
        struct errand *errand = list_entry(list_first(&round->errands), struct errand, link);

        list_remove(&round->errands, &errand->link);
        begin_errand(sender, errand, sent);
    }
    while (sender->under_way > 0)
        task_condition_wait_on(&sender->all_done);
}

static void run_round(struct sender *sender, bool hurry, const char *only, struct tlsrpt_sent *sent)
{
    struct round round = {.sender = sender, .hurry = hurry, .only = only, .now = now_in_seconds(), .wake_at = INT64_MAX};

    *sent = (struct tlsrpt_sent){0};
    if (task_semaphore_take(&sender->one_round, deadline_never()) != WAIT_READY)
        return;
    list_init(&round.errands);
    send_all(&round, sent);
    task_semaphore_give(&sender->one_round);
    task_condition_wake_all(&sender->planned);
    if (sent->sent + sent->unwanted + sent->failed > 0)
        log_info(NULL, "statistics: %lld reports sent, %lld not wanted, %lld to be tried again or given up", (long long)sent->sent,
                 (long long)sent->unwanted, (long long)sent->failed);
}

/* Rounds keep a distance, so that thousands of reports, each with a time of its own, are not thousands of rounds. */
static void wait_for_plan(struct sender *sender)
{
    int64_t earliest = now_in_seconds() + sender->tlsrpt->config->tlsrpt_maximal_delay / SECONDS / ROUNDS;

    while (!sender->draining && !task_cancelled()) {
        int64_t at = sender->wake_at > earliest ? sender->wake_at : earliest, left = at - now_in_seconds();

        if (left <= 0)
            return;
        if (task_condition_wait(&sender->planned,
                                deadline_in((left < LONGEST_SLEEP ? left : LONGEST_SLEEP) * SECONDS)) == WAIT_TIMEOUT)
            return;
    }
}

static void run(void *argument)
{
    struct sender *sender = argument;
    struct tlsrpt_sent sent;

    while (!sender->draining && !task_cancelled()) {
        run_round(sender, false, "", &sent);
        wait_for_plan(sender);
    }
}

struct sender *sender_new(struct tlsrpt *tlsrpt)
{
    struct sender *sender = memory_new(sizeof *sender);

    sender->tlsrpt = tlsrpt;
    sender->wake_at = INT64_MAX;
    task_condition_init(&sender->planned);
    task_condition_init(&sender->all_done);
    task_semaphore_init(&sender->one_round, 1);
    task_semaphore_init(&sender->places, REPORTS_AT_ONCE);
    task_start(run, sender);
    return sender;
}

/* What was counted now is due after this period's end, and no sooner. */
void sender_look(struct sender *sender)
{
    int64_t period = sender->tlsrpt->config->tlsrpt_report_interval / SECONDS;
    int64_t end = (now_in_seconds() / period + 1) * period;

    if (end >= sender->wake_at)
        return;
    sender->wake_at = end;
    task_condition_wake_all(&sender->planned);
}

void sender_hurry(struct sender *sender, const char *domain, struct tlsrpt_sent *sent)
{
    run_round(sender, true, domain, sent);
}

void sender_drain(struct sender *sender)
{
    sender->draining = true;
    task_condition_wake_all(&sender->planned);
}

bool sender_busy(const struct sender *sender)
{
    return sender->under_way > 0;
}
