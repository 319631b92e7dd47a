/* SPDX-License-Identifier: ISC */
#include "policyd/penalty.h"

#include "net/netaddr.h"

#define KEY_MAX 2048

struct penalties penalties_new(const struct policyd_conf *conf)
{
	return (struct penalties){
	    conf, windows_new((size_t)conf->policy_counters_max)};
}

void penalties_free(struct penalties *p)
{
	windows_free(&p->windows);
}

void penalties_network(struct str address, struct buf *out)
{
	char text[NETADDR_TEXT_MAX];
	struct netaddr a;

	if (netaddr_parse(address, 0, &a) < 0) {
		buf_add(out, address);
		return;
	}
	netaddr_text(&a, text);
	if (strchr(text, ':') == NULL) { /* IPv4, mapped too */
		buf_add_text(out, text);
		return;
	}
	memset(a.u.in6.sin6_addr.s6_addr + 8, 0, 8);
	netaddr_text(&a, text);
	buf_printf(out, "%s/64", text);
}

/* The three keys of a failure. Logins are compared in lower case. */
struct keys {
	struct buf address, account, both;
	bool has_account;
};

static void add_lower(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_add_char(out, ascii_lower(s.p[i]));
}

static void keys_make(struct keys *k, struct str address, struct str login)
{
	*k = (struct keys){buf_new(KEY_MAX), buf_new(KEY_MAX), buf_new(KEY_MAX),
	    login.len > 0};
	buf_add_text(&k->address, "a ");
	penalties_network(address, &k->address);
	buf_add_text(&k->account, "l ");
	add_lower(&k->account, login);
	buf_add_text(&k->both, "b ");
	buf_add(&k->both, buf_str(&k->address));
	buf_add_char(&k->both, ' ');
	add_lower(&k->both, login);
}

static void keys_free(struct keys *k)
{
	buf_free(&k->address);
	buf_free(&k->account);
	buf_free(&k->both);
}

static bool is_exempt(const struct policyd_conf *conf, struct str address)
{
	struct netaddr a;
	struct str bad;

	return conf->login_failure_exempt[0] != '\0' &&
	    netaddr_parse(address, 0, &a) == 0 &&
	    netaddr_in_list(&a, str_from(conf->login_failure_exempt), &bad) ==
	    1;
}

static int64_t delay_of(const struct policyd_conf *conf, uint64_t failures)
{
	int64_t delay = conf->login_failure_delay;

	if (failures == 0 || delay == 0)
		return 0;
	while (--failures > 0 && delay < conf->login_failure_delay_max)
		delay *= 2;
	return delay < conf->login_failure_delay_max
	    ? delay
	    : conf->login_failure_delay_max;
}

static void judge(struct penalties *p, const struct keys *k, struct str address,
    int64_t now_ms, struct policy_penalty *answer)
{
	int64_t window = p->conf->login_failure_window;
	uint64_t here = windows_get(
	    &p->windows, buf_str(&k->address), window, now_ms);
	uint64_t account = !k->has_account
	    ? 0
	    : windows_get(&p->windows, buf_str(&k->account), window, now_ms);

	answer->failures = here;
	answer->delay_ms = (uint64_t)delay_of(
	    p->conf, here > account ? here : account);
	answer->blocked = here >= (uint64_t)p->conf->login_failure_block &&
	    !is_exempt(p->conf, address);
}

static void count(
    struct penalties *p, const struct keys *k, int64_t window, int64_t now_ms)
{
	windows_add(&p->windows, buf_str(&k->address), 1, window, now_ms);
	if (!k->has_account)
		return;
	windows_add(&p->windows, buf_str(&k->account), 1, window, now_ms);
	windows_add(&p->windows, buf_str(&k->both), 1, window, now_ms);
}

static void forgive(
    struct penalties *p, const struct keys *k, int64_t window, int64_t now_ms)
{
	uint64_t own = windows_get(
	    &p->windows, buf_str(&k->both), window, now_ms);

	if (own == 0)
		return;
	windows_take(&p->windows, buf_str(&k->address), own, window, now_ms);
	windows_take(&p->windows, buf_str(&k->account), own, window, now_ms);
	windows_forget(&p->windows, buf_str(&k->both));
}

void penalties_failure(struct penalties *p, const struct policy_failure *f,
    int64_t now_ms, struct policy_penalty *answer)
{
	int64_t window = p->conf->login_failure_window;
	struct keys k;

	keys_make(&k, f->client_address, f->login);
	if (f->success)
		forgive(p, &k, window, now_ms);
	else
		count(p, &k, window, now_ms);
	judge(p, &k, f->client_address, now_ms, answer);
	keys_free(&k);
}

void penalties_ask(struct penalties *p, const struct policy_ask *a,
    int64_t now_ms, struct policy_penalty *answer)
{
	struct keys k;

	keys_make(&k, a->client_address, a->login);
	judge(p, &k, a->client_address, now_ms, answer);
	keys_free(&k);
}
