/* protocol - what master and a service process say to one another.
 *
 * master starts a service program, never a shell, with these arguments, then the rest of its master.cf line:
 *
 *     -n NAME       first column of master.cf          -t TYPE      inet, unix, fifo, pass, unix-dgram
 *     -u            run as mail_owner after start      -c           chroot to queue_directory after start
 *     -m LIMIT      sessions this process may hold     -k COUNT     listening sockets passed
 *     -l            the only process of this service (process limit 1): it never leaves for idleness
 *
 * and descriptors: SERVICE_CONTROL_FD, a socket pair (SOCK_SEQPACKET) to master, then SERVICE_FIRST_LISTEN_FD
 * and on, the listening sockets (non-blocking). The environment is cleaned; MAIL_CONFIG names the configuration
 * directory. -S in place of all of it: the program has no master and serves standard input and output (sendmail -bs),
 * if it is one that can (service.h); without -n and -S it says that it is a service.
 *
 * On the control socket every packet is one byte. The end of the socket means to the service that master is
 * gone: it stops at once. It means to master that the process ended (its exit status comes by wait). */
#ifndef MAIL_SERVICE_PROTOCOL_H
#define MAIL_SERVICE_PROTOCOL_H

enum { SERVICE_CONTROL_FD = 3, SERVICE_FIRST_LISTEN_FD = 4 };

enum service_says {
    SERVICE_READY = 'R', /* started, privileges dropped, now accepting. Before this, an exit is a failed start */
    SERVICE_FULL = 'F',  /* accepts no more for now: master watches the sockets and starts another process */
    SERVICE_LEAVING = 'L', /* the same, and for good: it is no sign of load */
    SERVICE_OPEN = 'O',  /* accepts again */
};

enum master_says {
    MASTER_DRAIN = 'D',  /* configuration changed: accept no more, finish what runs, then exit 0 */
    MASTER_WAKEUP = 'W', /* the master.cf wakeup time has passed */
};

#endif
