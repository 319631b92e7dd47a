/* SPDX-License-Identifier: ISC */
#include "posthouse/password.h"

#include <crypt.h>
#include <errno.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

#include "core/memory.h"

static const struct {
	const char *name, *prefix;
} schemes[] = {
    {"yescrypt", "$y$"}, {"bcrypt", "$2b$"}, {"sha512-crypt", "$6$"}};

/*
 * As auth will get it: prepared by SASLprep (RFC 4013), which changes nothing
 * in ASCII. What is not UTF-8 stays as it is. The caller wipes and frees.
 */
static char *prepare(const char *password)
{
	char *prepared = NULL;

	if (gsasl_saslprep(password, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) ==
	    GSASL_OK)
		return prepared;
	gsasl_free(prepared);
	return str_dup(str_from(password));
}

int password_hash(const char *password, const char *scheme,
    char out[PASSWORD_HASH_MAX], const char **why)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data = NEW(struct crypt_data);
	const char *prefix = NULL;
	char *prepared = prepare(password);
	int result = -1;

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (strcmp(schemes[i].name, scheme) == 0)
			prefix = schemes[i].prefix;
	*why = "there is no such password scheme";
	if (prefix != NULL) {
		*why = "libcrypt does not have this password scheme";
		if (crypt_gensalt_rn(
			prefix, 0, NULL, 0, setting, sizeof(setting)) != NULL &&
		    crypt_r(prepared, setting, data) != NULL &&
		    data->output[0] != '*')
			result = str_copy(
			    out, PASSWORD_HASH_MAX, str_from(data->output));
	}
	mem_wipe(prepared, strlen(prepared));
	free(prepared);
	mem_wipe(data, sizeof(*data));
	free(data);
	return result;
}

void password_make(char out[21])
{
	/* 32 characters: 5 bits each, 100 in all. */
	static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";
	unsigned char random[20];

	while (getrandom(random, sizeof(random), 0) != sizeof(random))
		;
	for (size_t i = 0; i < sizeof(random); i++)
		out[i] = alphabet[random[i] % 32];
	out[20] = '\0';
	mem_wipe(random, sizeof(random));
}

const char *password_check(const char *password)
{
	size_t len = strlen(password);

	if (len == 0)
		return "the password is empty";
	if (len > PASSWORD_MAX)
		return "the password is longer than 512 octets";
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)password[i] < ' ' || password[i] == 127)
			return "there are control characters in the password";
	return NULL;
}

/* One line without its end; octet by octet, so that nothing stays in a
 * buffer of stdio. */
static int read_line(char out[PASSWORD_MAX + 1], const char **why)
{
	size_t len = 0;
	char c = '\n';

	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') {
		if (len == PASSWORD_MAX) {
			*why = "the password is longer than 512 octets";
			return -1;
		}
		out[len++] = c;
	}
	if (len > 0 && out[len - 1] == '\r')
		len--;
	out[len] = '\0';
	*why = password_check(out);
	return *why == NULL ? 0 : -1;
}

static int read_silently(
    const char *prompt, char out[PASSWORD_MAX + 1], const char **why)
{
	struct termios before, silent;
	int result;

	if (tcgetattr(STDIN_FILENO, &before) < 0) {
		*why = strerror(errno);
		return -1;
	}
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	fprintf(stderr, "%s: ", prompt);
	result = read_line(out, why);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return result;
}

int password_ask_once(
    const char *prompt, char out[PASSWORD_MAX + 1], const char **why)
{
	return isatty(STDIN_FILENO) ? read_silently(prompt, out, why)
				    : read_line(out, why);
}

int password_ask(
    const char *prompt, char out[PASSWORD_MAX + 1], const char **why)
{
	char again[PASSWORD_MAX + 1];
	int result;

	if (!isatty(STDIN_FILENO))
		return read_line(out, why);
	if (read_silently(prompt, out, why) < 0)
		return -1;
	result = read_silently("The same once more", again, why);
	if (result == 0 && strcmp(out, again) != 0) {
		*why = "the two passwords are not the same";
		result = -1;
	}
	mem_wipe(again, sizeof(again));
	return result;
}
