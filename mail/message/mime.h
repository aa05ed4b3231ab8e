/* mime - follows the structure of a message (RFC 2045, 2046), and turns 8bit parts into quoted-printable.
 *
 * Content goes in line by line (without line ends) and comes out through a callback, changed only when conversion is
 * asked for: Content-Transfer-Encoding: 8bit becomes quoted-printable part by part, headers stay. */
#ifndef MAIL_MESSAGE_MIME_H
#define MAIL_MESSAGE_MIME_H

#include <stdbool.h>
#include <stddef.h>

struct mime_limits {
    int nesting;            /* mime_nesting_limit */
    size_t boundary_length; /* mime_boundary_length_limit */
};

struct mime_downgrade;
/* One line out, without its end. False stops the conversion. */
typedef bool mime_line_fn(void *context, const char *line, size_t length);
struct mime_downgrade *mime_downgrade_new(const struct mime_limits *limits, mime_line_fn *out, void *context);
void mime_downgrade_free(struct mime_downgrade *state);
bool mime_downgrade_line(struct mime_downgrade *state, const char *line, size_t length);
bool mime_downgrade_end(struct mime_downgrade *state);

#endif
