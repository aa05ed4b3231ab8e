/* tcp_port - a port by number or by name, names of known_tcp_ports first. */
#ifndef MAIL_CONFIG_TCP_PORT_H
#define MAIL_CONFIG_TCP_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* known: the value of known_tcp_ports, "lmtp=24, smtps=submissions=465": each name has the number at its group's end. */
bool tcp_port_find(const char *known, const char *text, uint16_t *port);

#endif
