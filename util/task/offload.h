/* offload - runs what cannot help blocking (fsync, getaddrinfo, a directory scan) in a worker thread while the
 * task waits. The function sees only its argument; it must not log, and must not touch what tasks share. A
 * cancelled task still waits for its function to end, since the argument is often on its stack. */
#ifndef UTIL_TASK_OFFLOAD_H
#define UTIL_TASK_OFFLOAD_H

typedef void offload_fn(void *argument);

/* How many threads there may be; they start when needed. 16 unless said otherwise. */
void offload_set_threads(int count);
void offload_run(offload_fn *function, void *argument);
void offload_end(void); /* ends the threads; loop_end calls it */

#endif
