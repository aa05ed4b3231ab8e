#include "util/net/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/base/log.h"
#include "util/net/tls_internal.h"

enum { PAGE = 4096 };

/* A page of its own: locked, so that it is not swapped out, and left out of core files. */
struct tls_tickets {
    const EVP_CIPHER *cipher;
    pthread_mutex_t lock; /* a handshake may be computed in a thread while newer keys come in */
    struct tls_ticket_key keys[TLS_TICKET_KEYS];
    size_t count;
    bool missed;
};

_Static_assert(sizeof(struct tls_tickets) <= PAGE, "one page");

struct tls_tickets *tls_tickets_new(const char *cipher, struct error *error)
{
    EVP_CIPHER *method = EVP_CIPHER_fetch(NULL, cipher, NULL);
    struct tls_tickets *tickets;

    if (method == NULL || EVP_CIPHER_get_key_length(method) != TLS_TICKET_KEY_SIZE ||
        EVP_CIPHER_get_mode(method) != EVP_CIPH_CBC_MODE) {
        EVP_CIPHER_free(method);
        error_set(error, "tls_session_ticket_cipher = %s: a CBC cipher with a key of 256 bits is wanted, aes-256-cbc for one",
                  cipher);
        return NULL;
    }
    tickets = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tickets == MAP_FAILED)
        die("no memory for ticket keys");
    mlock(tickets, PAGE); /* where a limit forbids it, the keys may be swapped out */
    madvise(tickets, PAGE, MADV_DONTDUMP);
    tickets->cipher = method;
    pthread_mutex_init(&tickets->lock, NULL);
    return tickets;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets == NULL)
        return;
    EVP_CIPHER_free((EVP_CIPHER *)tickets->cipher);
    pthread_mutex_destroy(&tickets->lock);
    OPENSSL_cleanse(tickets, PAGE);
    munmap(tickets, PAGE);
}

void tls_tickets_set(struct tls_tickets *tickets, const struct tls_ticket_key *keys, size_t count)
{
    pthread_mutex_lock(&tickets->lock);
    tickets->count = count < TLS_TICKET_KEYS ? count : TLS_TICKET_KEYS;
    memcpy(tickets->keys, keys, tickets->count * sizeof *keys);
    tickets->missed = false;
    pthread_mutex_unlock(&tickets->lock);
}

bool tls_tickets_current(const struct tls_tickets *tickets)
{
    return tickets->count > 0 && tickets->keys[0].encrypt_until > clock_wall();
}

bool tls_tickets_missed(struct tls_tickets *tickets)
{
    bool missed;

    pthread_mutex_lock(&tickets->lock);
    missed = tickets->missed;
    tickets->missed = false;
    pthread_mutex_unlock(&tickets->lock);
    return missed;
}

void tls_ticket_key_make(struct tls_ticket_key *key, duration period, duration lifetime)
{
    if (RAND_bytes(key->name, sizeof key->name) != 1 || RAND_priv_bytes(key->cipher, sizeof key->cipher) != 1 ||
        RAND_priv_bytes(key->mac, sizeof key->mac) != 1)
        die("no random bytes are to be had");
    key->encrypt_until = clock_wall() + period;
    key->decrypt_until = key->encrypt_until + lifetime;
}

/* ---- OpenSSL's side ---- */

static const struct tls_ticket_key *find_key(const struct tls_tickets *tickets, const unsigned char *name)
{
    for (size_t i = 0; i < tickets->count; i++)
        if (CRYPTO_memcmp(tickets->keys[i].name, name, TLS_TICKET_NAME_SIZE) == 0 &&
            tickets->keys[i].decrypt_until > clock_wall())
            return &tickets->keys[i];
    return NULL;
}

static bool set_mac(EVP_MAC_CTX *mac, const struct tls_ticket_key *key)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int make_ticket(struct tls_tickets *tickets, struct tls *tls, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    const struct tls_ticket_key *key = &tickets->keys[0];

    if (!tls_tickets_current(tickets) || RAND_bytes(iv, EVP_CIPHER_get_iv_length(tickets->cipher)) != 1)
        return 0; /* no ticket */
    if (EVP_EncryptInit_ex2(cipher, tickets->cipher, key->cipher, iv, NULL) != 1 || !set_mac(mac, key))
        return 0;
    memcpy(name, key->name, TLS_TICKET_NAME_SIZE);
    if (tls->log_level >= TLS_LOG_STEPS)
        log_info(NULL, "%s: Issuing session ticket, key expiration: %lld", tls->peer,
                 (long long)(key->encrypt_until / SECONDS));
    return 1;
}

static int take_ticket(struct tls_tickets *tickets, struct tls *tls, const unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    const struct tls_ticket_key *key = find_key(tickets, name);

    if (key == NULL) {
        tickets->missed = true;
        return 0;
    }
    if (EVP_DecryptInit_ex2(cipher, tickets->cipher, key->cipher, iv, NULL) != 1 || !set_mac(mac, key))
        return 0;
    if (tls->log_level >= TLS_LOG_STEPS)
        log_info(NULL, "%s: Decrypting session ticket, key expiration: %lld", tls->peer,
                 (long long)(key->encrypt_until / SECONDS));
    tls->by_ticket = true;
    return key == &tickets->keys[0] ? 1 : 2; /* 2: gets another, with the newest key */
}

static int ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                      int making)
{
    struct tls *tls = SSL_get_app_data(ssl);
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    int answer;

    if (tickets == NULL)
        return 0;
    pthread_mutex_lock(&tickets->lock);
    answer = making ? make_ticket(tickets, tls, name, iv, cipher, mac) : take_ticket(tickets, tls, name, iv, cipher, mac);
    pthread_mutex_unlock(&tickets->lock);
    return answer;
}

void tls_tickets_attach(struct tls_tickets *tickets, SSL_CTX *context)
{
    SSL_CTX_set_app_data(context, tickets);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket_key);
}
