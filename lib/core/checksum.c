/* SPDX-License-Identifier: ISC */
#include "core/checksum.h"

#include <string.h>
#include <xxhash.h>

static uint32_t rows[256];

static void rows_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? 0x82f63b78U : 0);
		rows[i] = c;
	}
}

static uint32_t crc_by_table(uint32_t c, const unsigned char *p, size_t len)
{
	if (rows[1] == 0)
		rows_fill();
	while (len-- > 0)
		c = (c >> 8) ^ rows[(c ^ *p++) & 0xff];
	return c;
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc_by_sse(
    uint32_t c, const unsigned char *p, size_t len)
{
	uint64_t wide = c;

	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
	}
	c = (uint32_t)wide;
	while (len-- > 0)
		c = _mm_crc32_u8(c, *p++);
	return c;
}

static uint32_t crc(uint32_t c, const unsigned char *p, size_t len)
{
	return __builtin_cpu_supports("sse4.2") ? crc_by_sse(c, p, len)
						: crc_by_table(c, p, len);
}
#else
static uint32_t crc(uint32_t c, const unsigned char *p, size_t len)
{
	return crc_by_table(c, p, len);
}
#endif

uint32_t crc32c(uint32_t before, const void *p, size_t len)
{
	return ~crc(~before, p, len);
}

uint64_t hash64(uint64_t seed, const void *p, size_t len)
{
	return XXH3_64bits_withSeed(p, len, seed);
}
