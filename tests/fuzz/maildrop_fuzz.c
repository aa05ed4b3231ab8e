/* What postdrop is fed: whatever passes the check is a message that the check lets pass again. */
#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "mail/queue/maildrop.h"
#include "tests/fuzz/fuzz.h"

/* What is kept of the file; *complete: a whole message came. */
static void check_file(int fd, struct text *kept, bool *complete)
{
    struct maildrop_check check = {0};
    struct record_reader *reader = record_reader_new(fd, 0);
    enum maildrop_verdict verdict = MAILDROP_KEEP;
    struct record record;
    struct error error;

    while (check.segment != MAILDROP_COMPLETE && verdict != MAILDROP_REFUSED &&
           record_read(reader, &record) == RECORD_OK) {
        verdict = maildrop_check_record(&check, record.type, record.data, record.length, &error);
        if (verdict == MAILDROP_KEEP)
            record_append(kept, record.type, record.data, record.length);
    }
    *complete = check.segment == MAILDROP_COMPLETE && verdict != MAILDROP_REFUSED;
    record_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size), again;
    struct text first = {0}, second = {0};
    int fd = fuzz_file(&input);
    bool complete;

    check_file(fd, &first, &complete);
    close(fd);
    if (complete) {
        again = (struct fuzz_input){text_string(&first), first.length};
        fd = fuzz_file(&again);
        check_file(fd, &second, &complete);
        close(fd);
        assert(complete && first.length == second.length);
    }
    text_free(&first);
    text_free(&second);
    return 0;
}
