/* tls_library - which TLS library this is (postconf -T). */
#ifndef UTIL_NET_TLS_LIBRARY_H
#define UTIL_NET_TLS_LIBRARY_H

const char *tls_library_compiled(void); /* whose headers were there when this was compiled: "OpenSSL 3.0.11 ..." */
const char *tls_library_running(void);  /* what is linked now */

/* The kinds of keys that certificates may have, in alphabetical order; NULL: no more. */
const char *tls_library_key_kind(unsigned index);

#endif
