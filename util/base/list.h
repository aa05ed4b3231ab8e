/* list - a doubly linked list whose links live inside what is linked.
 *
 * struct list is the head; struct link goes into the element. list_entry finds the element from its link. */
#ifndef UTIL_BASE_LIST_H
#define UTIL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *next, *previous;
};

struct list {
    struct link root;
    size_t count;
};

#define list_entry(link_pointer, type, member) ((type *)(void *)((char *)(link_pointer)-offsetof(type, member)))

/* The body may remove the element at hand, no other. */
#define list_each(cursor, following, list)                                                                            \
    for (struct link *cursor = (list)->root.next, *following = cursor->next; cursor != &(list)->root;                 \
         cursor = following, following = cursor->next)

static inline void list_init(struct list *list)
{
    list->root.next = list->root.previous = &list->root;
    list->count = 0;
}

static inline bool list_empty(const struct list *list)
{
    return list->count == 0;
}

static inline void list_insert_before(struct list *list, struct link *where, struct link *item)
{
    item->next = where;
    item->previous = where->previous;
    where->previous->next = item;
    where->previous = item;
    list->count++;
}

static inline void list_append(struct list *list, struct link *item)
{
    list_insert_before(list, &list->root, item);
}

static inline void list_prepend(struct list *list, struct link *item)
{
    list_insert_before(list, list->root.next, item);
}

static inline void list_remove(struct list *list, struct link *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
    item->next = item->previous = NULL;
    list->count--;
}

static inline struct link *list_first(const struct list *list)
{
    return list->count > 0 ? list->root.next : NULL;
}

static inline struct link *list_take_first(struct list *list)
{
    struct link *first = list_first(list);

    if (first != NULL)
        list_remove(list, first);
    return first;
}

#endif
