/* SPDX-License-Identifier: ISC */
/*
 * Runs a fuzz target without libFuzzer: over the files of its corpus
 * directory (named on the command line), over each of them cut short and
 * with one bit flipped, and over a fixed sequence of pseudo-random inputs.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ROUNDS 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t state = 88172645463325252ULL;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A copy of exactly len octets, so that AddressSanitizer sees its end. */
static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	if (copy == NULL)
		exit(1);
	if (len > 0)
		memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void vary(uint8_t *data, size_t len)
{
	run(data, len);
	if (len == 0)
		return;
	for (size_t cut = 0; cut < len; cut += 1 + len / 100)
		run(data, cut);
	for (int i = 0; i < 200; i++) {
		size_t at = (size_t)(next() % len);
		uint8_t before = data[at];

		if (i % 2)
			data[at] = (uint8_t)next();
		else
			data[at] = (uint8_t)(before ^ (1u << (next() % 8)));
		run(data, len);
		data[at] = before;
	}
}

static size_t replay(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t files = 0;

	if (d == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL) {
		char path[4096];
		static uint8_t data[1 << 20];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		FILE *f = fopen(path, "rb");
		if (f == NULL)
			continue;
		size_t len = fread(data, 1, sizeof(data), f);
		fclose(f);
		vary(data, len);
		files++;
	}
	closedir(d);
	return files;
}

int main(int argc, char **argv)
{
	static const char common[] = "\r\n\t \"\\<>@.:;=,()[]{}%*+-/0aA\0\xff";
	uint8_t data[512];
	size_t files = argc > 1 ? replay(argv[1]) : 0;

	for (int i = 0; i < ROUNDS; i++) {
		size_t len = (size_t)(next() % sizeof(data));

		for (size_t k = 0; k < len; k++)
			data[k] = next() % 3 == 0
			    ? (uint8_t)next()
			    : (uint8_t)common[next() % (sizeof(common) - 1)];
		run(data, len);
	}
	printf("%s: %zu corpus files and %d random inputs\n", argv[0], files,
	    ROUNDS);
	return 0;
}
