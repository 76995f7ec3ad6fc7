/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <endian.h>

#include "sha256.h"

#define BLOCK_SIZE 64

/* Sections 4.2.2 and 5.3.3: of the cube roots of the first 64 primes, and of the square roots of the
 * first 8. */
static const uint32_t constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint32_t initial[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate(uint32_t x, int n) {
        return x >> n | x << (32 - n);
}

/* Section 6.2.2, in its names. */
static void add_block(uint32_t hash[8], const uint8_t *block) {
        uint32_t w[64], v[8];

        for (size_t t = 0; t < 16; t++) {
                memcpy(&w[t], block + 4 * t, 4);
                w[t] = be32toh(w[t]);
        }
        for (size_t t = 16; t < 64; t++)
                w[t] = w[t - 16] + (rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3) +
                        w[t - 7] + (rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10);

        memcpy(v, hash, sizeof(v));
        for (size_t t = 0; t < 64; t++) {
                uint32_t a = v[0], e = v[4];
                uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
                        constants[t] + w[t];
                uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                        ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

                memmove(v + 1, v, 7 * sizeof(*v));
                v[4] += t1;
                v[0] = t1 + t2;
        }
        for (size_t i = 0; i < 8; i++)
                hash[i] += v[i];
}

const char *sha256_text(const void *data, size_t size, char ret[SHA256_TEXT_SIZE]) {
        uint8_t end[2 * BLOCK_SIZE] = { 0 };
        const uint8_t *p = data;
        size_t rest = size % BLOCK_SIZE, padded = rest + 9 > BLOCK_SIZE ? 2 * BLOCK_SIZE : BLOCK_SIZE;
        uint64_t bits = htobe64((uint64_t) size * 8);
        uint32_t hash[8];

        memcpy(hash, initial, sizeof(hash));
        for (size_t i = 0; i + BLOCK_SIZE <= size; i += BLOCK_SIZE)
                add_block(hash, p + i);

        if (rest > 0)
                memcpy(end, p + size - rest, rest);
        end[rest] = 0x80;
        memcpy(end + padded - 8, &bits, 8);
        for (size_t i = 0; i < padded; i += BLOCK_SIZE)
                add_block(hash, end + i);

        for (size_t i = 0; i < 8; i++)
                (void) snprintf(ret + 8 * i, 9, "%08x", hash[i]);
        return ret;
}
