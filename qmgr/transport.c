#include "qmgr/transport.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "qmgr/agent.h"
#include "qmgr/deliver.h"
#include "util/base/memory.h"

/* ---- parameters ---- */

static struct feedback parse_feedback(const struct transport *transport, const char *suffix, const char *text)
{
    struct feedback feedback = {1, FEEDBACK_CONSTANT};
    char *end;

    feedback.value = strtod(text, &end);
    end += strspn(end, " \t");
    if (*end == '/')
        end += 1 + strspn(end + 1, " \t");
    if (strcmp(end, "concurrency") == 0)
        feedback.kind = FEEDBACK_BY_CONCURRENCY;
    else if (strcmp(end, "sqrt_concurrency") == 0)
        feedback.kind = FEEDBACK_BY_SQUARE_ROOT;
    else if (*end != '\0' || feedback.value < 0 || feedback.value > 1) {
        log_warning(NULL, "%s%s = %s: it is a number from 0 to 1, number/concurrency or number/sqrt_concurrency; "
                          "using 1", transport->name, suffix, text);
        feedback = (struct feedback){1, FEEDBACK_CONSTANT};
    }
    return feedback;
}

static long get_count(const struct transport *transport, const char *suffix, const char *fallback)
{
    const char *text = config_get_transport(transport->manager->environment->config, transport->name, suffix, fallback);

    return text != NULL ? strtol(text, NULL, 10) : 0;
}

static duration get_time(const struct transport *transport, const char *suffix, const char *fallback)
{
    const char *text = config_get_transport(transport->manager->environment->config, transport->name, suffix, fallback);
    duration length;

    return text != NULL && config_parse_time(text, 's', &length) ? length : 0;
}

static struct feedback get_feedback(const struct transport *transport, const char *suffix, const char *fallback)
{
    const char *text = config_get_transport(transport->manager->environment->config, transport->name, suffix, fallback);

    return parse_feedback(transport, suffix, text != NULL ? text : "1");
}

static void read_parameters(struct transport *t)
{
    t->concurrency_limit = get_count(t, "_destination_concurrency_limit", "default_destination_concurrency_limit");
    t->recipient_limit = get_count(t, "_destination_recipient_limit", "default_destination_recipient_limit");
    t->failed_cohort_limit = get_count(t, "_destination_concurrency_failed_cohort_limit",
                                       "default_destination_concurrency_failed_cohort_limit");
    t->slot_cost = get_count(t, "_delivery_slot_cost", "default_delivery_slot_cost");
    t->slot_loan = get_count(t, "_delivery_slot_loan", "default_delivery_slot_loan");
    t->slot_discount = get_count(t, "_delivery_slot_discount", "default_delivery_slot_discount");
    t->minimum_slots = get_count(t, "_minimum_delivery_slots", "default_minimum_delivery_slots");
    t->destination_rate_delay = get_time(t, "_destination_rate_delay", "default_destination_rate_delay");
    t->rate_delay = get_time(t, "_transport_rate_delay", "default_transport_rate_delay");
    t->positive = get_feedback(t, "_destination_concurrency_positive_feedback",
                               "default_destination_concurrency_positive_feedback");
    t->negative = get_feedback(t, "_destination_concurrency_negative_feedback",
                               "default_destination_concurrency_negative_feedback");
    if (t->recipient_limit <= 0)
        t->recipient_limit = t->manager->config->qmgr_message_recipient_limit;
    if (t->concurrency_limit <= 0)
        t->concurrency_limit = INT32_MAX;
    if (t->destination_rate_delay > 0)
        t->concurrency_limit = 1;
}

/* ---- rounds ---- */

static void transport_wake(void *context);

struct transport *transport_find(struct manager *manager, const char *name)
{
    struct transport *transport = map_get(manager->transports, name);

    if (transport != NULL)
        return transport;
    transport = memory_new(sizeof *transport);
    transport->manager = manager;
    transport->name = memory_copy_string(name);
    transport->destinations = map_new();
    list_init(&transport->ready);
    transport->agents = agents_new(manager, name);
    transport->timer = loop_timer_new(transport_wake, transport);
    read_parameters(transport);
    transport->credit = (double)transport->slot_loan;
    map_set(manager->transports, name, transport);
    return transport;
}

static void destination_free(struct destination *destination)
{
    map_remove(destination->transport->destinations, destination->name);
    if (destination->is_ready)
        list_remove(&destination->transport->ready, &destination->link);
    free(destination->name);
    free(destination->dead_dsn);
    free(destination->dead_reason);
    free(destination);
}

struct destination *destination_find(struct transport *transport, const char *name)
{
    struct destination *destination = map_get(transport->destinations, name);
    long initial = transport->manager->config->initial_destination_concurrency;

    if (destination != NULL)
        return destination;
    destination = memory_new(sizeof *destination);
    destination->transport = transport;
    destination->name = memory_copy_string(name);
    list_init(&destination->small);
    list_init(&destination->large);
    destination->window = (double)(initial < transport->concurrency_limit ? initial : transport->concurrency_limit);
    map_set(transport->destinations, name, destination);
    return destination;
}

static bool has_work(const struct destination *destination)
{
    return !list_empty(&destination->small) || !list_empty(&destination->large);
}

static bool may_work(const struct destination *destination)
{
    return has_work(destination) && destination->busy < (long)destination->window &&
           deadline_passed(destination->paused);
}

static bool transport_rests(const struct transport *transport)
{
    return !deadline_passed(transport->paused) || !agents_free(transport->agents);
}

/* The share of a large message that small ones may have before their turn. */
static bool has_credit(const struct transport *transport)
{
    return transport->slot_cost > 0 && transport->credit * 100 >= (double)(100 - transport->slot_discount);
}

static void spend_credit(struct transport *transport)
{
    transport->credit -= (double)(100 - transport->slot_discount) / 100;
}

/* A large delivery earns a part of a small one. */
static void earn_credit(struct transport *transport)
{
    double most = (double)(transport->slot_loan + transport->minimum_slots);

    if (transport->slot_cost > 0 && transport->credit < most)
        transport->credit += 1.0 / (double)transport->slot_cost;
}

/* Ready destinations go round. One that has only small messages and finds large ones waiting goes ahead of them,
 * as long as there is credit. */
static void make_ready(struct destination *destination)
{
    struct transport *transport = destination->transport;

    if (destination->is_ready || !may_work(destination))
        return;
    destination->is_ready = true;
    if (list_empty(&destination->large) && !list_empty(&transport->ready) && has_credit(transport)) {
        spend_credit(transport);
        list_prepend(&transport->ready, &destination->link);
    } else {
        list_append(&transport->ready, &destination->link);
    }
}

/* In order of arrival, but for small messages with credit. */
static struct entry *take_entry(struct destination *destination)
{
    struct link *small = list_first(&destination->small), *large = list_first(&destination->large);
    struct entry *first_small = small != NULL ? list_entry(small, struct entry, link) : NULL;
    struct entry *first_large = large != NULL ? list_entry(large, struct entry, link) : NULL;

    if (first_small != NULL && (first_large == NULL || first_small->order < first_large->order)) {
        list_remove(&destination->small, small);
        return first_small;
    }
    if (first_small != NULL && has_credit(destination->transport)) {
        spend_credit(destination->transport);
        list_remove(&destination->small, small);
        return first_small;
    }
    earn_credit(destination->transport);
    list_remove(&destination->large, large);
    return first_large;
}

static void start_one(struct transport *transport)
{
    struct destination *destination = list_entry(list_take_first(&transport->ready), struct destination, link);
    struct entry *entry;

    destination->is_ready = false;
    if (!may_work(destination))
        return;
    entry = take_entry(destination);
    destination->busy++;
    make_ready(destination);
    if (transport->rate_delay > 0) {
        transport->paused = deadline_in(transport->rate_delay);
        loop_timer_set(transport->timer, transport->rate_delay);
    }
    deliver_start(entry);
}

static void schedule(struct transport *transport)
{
    while (!list_empty(&transport->ready) && !transport_rests(transport))
        start_one(transport);
}

/* A pause has ended: of the transport, or of one of its destinations. */
static void transport_wake(void *context)
{
    struct transport *transport = context;
    struct deadline next = deadline_never();
    size_t position = 0;
    const char *name;
    void *value;

    while (map_next(transport->destinations, &position, &name, &value)) {
        struct destination *destination = value;

        make_ready(destination);
        if (has_work(destination) && !deadline_passed(destination->paused))
            next = deadline_earlier(next, destination->paused);
    }
    schedule(transport);
    if (!deadline_passed(transport->paused))
        next = deadline_earlier(next, transport->paused);
    if (next.at != INT64_MAX)
        loop_timer_set(transport->timer, deadline_remaining(next) + MILLISECONDS);
}

void destination_add(struct destination *destination, struct entry *entry)
{
    list_append(entry->large ? &destination->large : &destination->small, &entry->link);
    make_ready(destination);
    schedule(destination->transport);
}

/* ---- held and forgotten ---- */

void destination_hold(struct destination *destination)
{
    destination->entries++;
}

static bool is_idle(const struct destination *destination)
{
    return destination->entries == 0 && deadline_passed(destination->dead) && deadline_passed(destination->paused) &&
           deadline_passed(destination->failed);
}

void destination_release(struct destination *destination)
{
    destination->entries--;
    if (is_idle(destination))
        destination_free(destination);
}

static void forget_idle(struct transport *transport)
{
    const char **names = map_sorted_keys(transport->destinations);
    size_t count = map_count(transport->destinations);

    for (size_t i = 0; i < count; i++) {
        struct destination *destination = map_get(transport->destinations, names[i]);

        if (is_idle(destination))
            destination_free(destination);
    }
    free(names);
}

void transports_forget_idle(struct manager *manager)
{
    const char *name;
    size_t at = 0;
    void *value;

    while (map_next(manager->transports, &at, &name, &value))
        forget_idle(value);
}

/* ---- dead and alive ---- */

bool destination_is_dead(const struct destination *destination, const char **dsn, const char **reason)
{
    if (!deadline_passed(destination->transport->dead)) {
        *dsn = "4.3.0";
        *reason = destination->transport->dead_reason;
        return true;
    }
    *dsn = destination->dead_dsn;
    *reason = destination->dead_reason;
    return destination->dead_reason != NULL && !deadline_passed(destination->dead);
}

void destination_revive(struct destination *destination)
{
    destination->dead = (struct deadline){0};
    destination->failed_cohorts = 0;
    if (destination->window < 1)
        destination->window = 1;
    destination->transport->dead = (struct deadline){0};
}

void transports_revive(struct manager *manager)
{
    size_t at = 0, inner;
    const char *name;
    void *value;

    while (map_next(manager->transports, &at, &name, &value)) {
        struct transport *transport = value;

        inner = 0;
        while (map_next(transport->destinations, &inner, &name, &value))
            destination_revive(value);
    }
}

/* All that waits for the destination is deferred with the same reason. */
static void defer_waiting(struct destination *destination, const char *dsn, const char *reason)
{
    struct link *link;

    while ((link = list_take_first(&destination->small)) != NULL ||
           (link = list_take_first(&destination->large)) != NULL)
        deliver_defer_start(list_entry(link, struct entry, link), dsn, reason);
}

static void declare_dead(struct destination *destination, const char *dsn, const char *reason)
{
    struct transport *transport = destination->transport;
    struct manager *manager = transport->manager;

    free(destination->dead_dsn);
    free(destination->dead_reason);
    destination->dead_dsn = memory_copy_string(*dsn != '\0' ? dsn : "4.4.0");
    destination->dead_reason = memory_format("delivery temporarily suspended: %s", reason);
    destination->dead = deadline_in(manager->mail->minimal_backoff_time);
    destination->window = (double)(manager->config->initial_destination_concurrency < transport->concurrency_limit
                                       ? manager->config->initial_destination_concurrency
                                       : transport->concurrency_limit);
    destination->failed_cohorts = destination->failure = destination->success = 0;
    defer_waiting(destination, destination->dead_dsn, destination->dead_reason);
}

static void transport_failed(struct transport *transport, const char *reason)
{
    size_t at = 0;
    const char *name;
    void *value;

    transport->dead = deadline_in(transport->manager->config->transport_retry_time);
    free((char *)transport->dead_reason);
    transport->dead_reason = memory_copy_string(*reason != '\0' ? reason : "mail transport unavailable");
    while (map_next(transport->destinations, &at, &name, &value))
        defer_waiting(value, "4.3.0", transport->dead_reason);
}

/* ---- what answers teach ---- */

static double amount(const struct feedback *feedback, double window)
{
    switch (feedback->kind) {
    case FEEDBACK_BY_CONCURRENCY: return feedback->value / window;
    case FEEDBACK_BY_SQUARE_ROOT: return feedback->value / sqrt(window);
    default: return feedback->value;
    }
}

/* The window grows only where it is used: up to what is busy and the initial concurrency beyond. */
static void learn_success(struct destination *destination)
{
    const struct transport *transport = destination->transport;
    long initial = transport->manager->config->initial_destination_concurrency;

    destination->failed_cohorts = 0;
    destination->failure = 0;
    if (destination->window >= (double)transport->concurrency_limit ||
        destination->window >= (double)(destination->busy + initial))
        return;
    destination->success += amount(&transport->positive, destination->window);
    while (destination->success >= 1 && destination->window < (double)transport->concurrency_limit) {
        destination->success -= 1;
        destination->window += 1;
    }
}

static void learn_failure(struct destination *destination, const char *dsn, const char *reason)
{
    const struct transport *transport = destination->transport;

    destination->success = 0;
    destination->failed_cohorts += 1 / destination->window;
    destination->failed = deadline_in(transport->manager->mail->minimal_backoff_time);
    destination->failure += amount(&transport->negative, destination->window);
    while (destination->failure >= 1 && destination->window > 1) {
        destination->failure -= 1;
        destination->window -= 1;
    }
    if (transport->failed_cohort_limit > 0 && destination->failed_cohorts >= (double)transport->failed_cohort_limit)
        declare_dead(destination, dsn, reason);
}

void destination_done(struct destination *destination, enum delivery_status status, const char *dsn,
                      const char *reason)
{
    struct transport *transport = destination->transport;

    destination->busy--;
    if (status == DELIVERY_DONE)
        learn_success(destination);
    else if (status == DELIVERY_SITE_FAILED)
        learn_failure(destination, dsn, reason);
    else
        transport_failed(transport, reason);
    if (transport->destination_rate_delay > 0) {
        destination->paused = deadline_in(transport->destination_rate_delay);
        loop_timer_set(transport->timer, transport->destination_rate_delay);
    }
    make_ready(destination);
    schedule(transport);
}
