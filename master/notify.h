/* notify - tells a service manager how far we are: the protocol of sd_notify(3), one datagram to $NOTIFY_SOCKET. */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

/* Lines of NAME=VALUE, as "READY=1". Nobody there to be told is no error. address: $NOTIFY_SOCKET, may be NULL. */
void notify_manager(const char *address, const char *state);

#endif
