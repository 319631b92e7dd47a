/* SPDX-License-Identifier: ISC */
/* Checksums of what stands on disk. */
#ifndef CORE_CHECKSUM_H
#define CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4), continued: start with crc 0
 * and pass the last result on. Uses the processor's instruction where it has
 * one.
 */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);

/* A 64-bit hash for chains and fingerprints (XXH3); the same on every run. */
uint64_t hash64(uint64_t seed, const void *p, size_t len);

#endif
