/* SHA-256 (FIPS 180-4), streaming; for naming files, not for speed. */
#ifndef TAREBENCH_SHA256_H
#define TAREBENCH_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sha256 {
    uint32_t state[8];
    uint64_t total; /* bytes taken so far */
    unsigned char block[64];
};

static const uint32_t SHA256_K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha256_ror(uint32_t value, unsigned bits)
{
    return value >> bits | value << (32 - bits);
}

#define SHA256_ROUND(a, b, c, d, e, f, g, h, n)                                                    \
    do {                                                                                           \
        uint32_t s1 = sha256_ror(v[e], 6) ^ sha256_ror(v[e], 11) ^ sha256_ror(v[e], 25);           \
        uint32_t t1 = v[h] + s1 + ((v[e] & v[f]) ^ (~v[e] & v[g])) + SHA256_K[n] + w[n];           \
        uint32_t s0 = sha256_ror(v[a], 2) ^ sha256_ror(v[a], 13) ^ sha256_ror(v[a], 22);           \
        v[d] += t1;                                                                                \
        v[h] = t1 + s0 + ((v[a] & v[b]) ^ (v[a] & v[c]) ^ (v[b] & v[c]));                          \
    } while (0)

static void sha256_block(uint32_t state[8], const unsigned char *block)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
               (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (sha256_ror(a, 7) ^ sha256_ror(a, 18) ^ a >> 3) +
               (sha256_ror(b, 17) ^ sha256_ror(b, 19) ^ b >> 10);
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i += 8) { /* eight rounds bring every name back to its place */
        SHA256_ROUND(0, 1, 2, 3, 4, 5, 6, 7, i);
        SHA256_ROUND(7, 0, 1, 2, 3, 4, 5, 6, i + 1);
        SHA256_ROUND(6, 7, 0, 1, 2, 3, 4, 5, i + 2);
        SHA256_ROUND(5, 6, 7, 0, 1, 2, 3, 4, i + 3);
        SHA256_ROUND(4, 5, 6, 7, 0, 1, 2, 3, i + 4);
        SHA256_ROUND(3, 4, 5, 6, 7, 0, 1, 2, i + 5);
        SHA256_ROUND(2, 3, 4, 5, 6, 7, 0, 1, i + 6);
        SHA256_ROUND(1, 2, 3, 4, 5, 6, 7, 0, i + 7);
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

static void sha256_start(struct sha256 *hash)
{
    static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, initial, sizeof initial);
    hash->total = 0;
}

static void sha256_add(struct sha256 *hash, const unsigned char *data, size_t length)
{
    size_t held = hash->total % 64;
    hash->total += length;
    while (length > 0) {
        if (held == 0 && length >= 64) {
            sha256_block(hash->state, data);
            data += 64;
            length -= 64;
            continue;
        }
        size_t part = 64 - held < length ? 64 - held : length;
        memcpy(hash->block + held, data, part);
        held = (held + part) % 64;
        data += part;
        length -= part;
        if (held == 0)
            sha256_block(hash->state, hash->block);
    }
}

/* Writes 64 hexadecimal digits and a NUL. */
static void sha256_finish(struct sha256 *hash, char hex[65])
{
    uint64_t bits = hash->total * 8;
    unsigned char tail[8];
    for (int i = 0; i < 8; i++)
        tail[i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_add(hash, (const unsigned char *)"\x80", 1);
    while (hash->total % 64 != 56)
        sha256_add(hash, (const unsigned char *)"", 1);
    sha256_add(hash, tail, sizeof tail);
    for (int i = 0; i < 64; i++)
        hex[i] = "0123456789abcdef"[hash->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[64] = '\0';
}

#endif
