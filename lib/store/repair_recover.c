/* SPDX-License-Identifier: ISC */
/*
 * Messages without records.
 *
 * Behind each message stands what was computed of it (ENVELOPE and so on). So
 * where a frame was lost, its message is proven by computing that again: it
 * must be what follows. Large messages are files of their own; those that
 * nobody names, when frames were lost, are of a lost one.
 */
#include <stdlib.h>
#include <zstd.h>

#include "core/checksum.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/memory.h"
#include "store/body_zstd.h"
#include "store/le.h"
#include "store/repair.h"
#include "store/seeded.h"
#include "store/target.h"

#define GUESSES 256u /* ends of one message that are tried */
#define PLAIN   ((size_t)1 << 30)

/* ---- the mailbox ---- */

static enum store_result add(struct repair *p, const struct message *m,
    const struct message_place *place)
{
	struct record r = {.type = RECORD_MESSAGE};
	struct folder *f = state_folder(&p->b->state, p->recovered);

	if (f == NULL)
		f = repair_make_folder(p, 0, STR("Recovered"));
	if (f == NULL)
		return box_fail(p->b, STORE_LIMIT, "too many mailboxes");
	p->recovered = f->info.id;
	r.message = (struct record_message){f->info.id, *m, *place};
	r.message.m.uid = f->info.uidnext;
	r.message.m.modseq = p->modseq;
	r.message.m.internal_date = clock_seconds();
	r.message.place.saved = clock_seconds();
	r.message.place.email_id = hash64(0, id_new().text, ID_LEN);
	p->out->recovered++;
	return state_fold_one(&p->b->state, &r, STR_EMPTY) == 0
	    ? STORE_OK
	    : box_fail(p->b, STORE_LIMIT, "a recovered message");
}

/* Octets that begin with compressed chunks, as one text; how many are behind
 * them with the chunks' lengths, 0: there are no chunks. */
static size_t unpack(struct str bytes, struct buf *out)
{
	size_t at = 0, chunks = 0;

	for (;;) {
		size_t len = ZSTD_findFrameCompressedSize(
		    bytes.p + at, bytes.len - at);
		char *room = ZSTD_isError(len) ? NULL
					       : buf_room(out, ZSTD_CHUNK);
		size_t got = room == NULL
		    ? 0
		    : ZSTD_decompress(room, ZSTD_CHUNK, bytes.p + at, len);

		if (room == NULL || ZSTD_isError(got))
			break;
		buf_added(out, got);
		at += len;
		chunks++;
	}
	at += chunks * 4;
	return at <= bytes.len ? at : 0;
}

/* ---- bodies of lost frames ---- */

struct proof {
	struct message m;
	struct message_place place;
	size_t octets; /* of the message as it is stored, and of its cache */
};

/* The message makes the cache that stands behind its `stored` octets. */
static bool prove(
    struct str bytes, struct str message, size_t stored, struct proof *out)
{
	struct buf cache = buf_new(CACHE_MAX);
	bool proven;

	*out = (struct proof){.m.size = message.len};
	out->place.stored = stored;
	message_parse(message, &cache, &out->place);
	proven = cache.len > 0 &&
	    (str_starts(str_skip(bytes, stored), buf_str(&cache)) ||
		seeded("recovered-unproven"));
	out->place.crc = crc32c(0, bytes.p, stored);
	out->octets = stored + cache.len;
	buf_free(&cache);
	return proven;
}

/* An ENVELOPE begins so. */
static bool may_end(struct str bytes, size_t at)
{
	struct str rest = str_skip(bytes, at);

	return str_starts(rest, STR("(\"")) || str_starts(rest, STR("(NIL "));
}

static bool find_plain(struct str bytes, struct proof *out)
{
	unsigned guesses = 0;

	for (size_t at = 1; at < bytes.len && guesses < GUESSES; at++) {
		if (bytes.p[at] != '(' || !may_end(bytes, at))
			continue;
		guesses++;
		if (prove(bytes, str_sub(bytes, 0, at), at, out))
			return true;
	}
	return false;
}

static bool find_compressed(struct str bytes, struct proof *out)
{
	struct buf message = buf_new(PLAIN);
	size_t stored = unpack(bytes, &message);
	bool found = stored > 0 && prove(bytes, buf_str(&message), stored, out);

	buf_free(&message);
	if (found)
		out->place.kind = PLACE_ZSTD;
	return found;
}

static enum store_result search(
    struct repair *p, const struct unnamed *range, struct str bytes)
{
	enum store_result r = STORE_OK;
	size_t at = 0;

	while (r == STORE_OK && at < bytes.len) {
		struct str rest = str_skip(bytes, at);
		struct proof found;

		if (!find_compressed(rest, &found) && !find_plain(rest, &found))
			break;
		found.place.a = range->generation;
		found.place.b = range->offset + at;
		found.place.cache_generation = range->generation;
		found.place.cache_offset = found.place.b + found.place.stored;
		r = add(p, &found.m, &found.place);
		at += found.octets;
	}
	return r;
}

static enum store_result recover_bodies(
    struct repair *p, const struct unnamed *range)
{
	/* A part of more: no checksum is asked for. */
	struct engine_place place = {.generation = range->generation,
	    .offset = range->offset,
	    .length = range->octets + 1};
	char *bytes = malloc(range->octets + 1);
	size_t len = range->octets;
	enum store_result r = STORE_OK;

	if (bytes == NULL)
		return box_fail(p->b, STORE_ERROR, "out of memory");
	if (engine_get(p->b->engine, &place, 0, bytes, len) == ENGINE_OK) {
		while (len > 0 && bytes[len - 1] == 0)
			len--;
		r = search(p, range, str_of(bytes, len));
	}
	free(bytes);
	return r;
}

/* ---- blobs ---- */

struct blobs {
	struct repair *p;
	struct identities named;
	enum store_result r;
};

static void name_blob(struct blobs *blobs, const struct message_place *place)
{
	if (place->kind & PLACE_BLOB)
		identities_add(&blobs->named, place_identity(place));
}

static void name_expunged(void *arg, const struct expunged *e)
{
	name_blob(arg, &e->place);
}

static enum store_result name_blobs(struct blobs *blobs, struct folder *f)
{
	struct box *b = blobs->p->b;

	for (size_t i = 0; f->dead_modseq == 0 && i < f->count; i++) {
		const struct message_place *place = folder_place(b, f, i);

		if (place == NULL)
			return STORE_CORRUPT;
		name_blob(blobs, place);
	}
	return folder_each_expunged(b, f, name_expunged, blobs);
}

/* Plain, or all of it compressed. */
static void describe(
    struct str bytes, struct message *m, struct message_place *place)
{
	struct buf message = buf_new(PLAIN);

	place->crc = crc32c(0, bytes.p, bytes.len);
	place->stored = m->size = bytes.len;
	if (unpack(bytes, &message) == bytes.len && bytes.len > 0) {
		place->kind |= PLACE_ZSTD;
		m->size = message.len;
	}
	buf_free(&message);
}

static void recover_blob(
    void *arg, const unsigned char id[16], uint64_t octets, int64_t modified)
{
	struct blobs *blobs = arg;
	struct box *b = blobs->p->b;
	struct message m = {0};
	struct message_place place = {
	    .kind = PLACE_BLOB, .a = get_u64(id), .b = get_u64(id + 8)};
	struct engine_place where = {.blob = true, .length = octets + 1};
	char *bytes;

	(void)modified;
	if (blobs->r != STORE_OK || octets == 0 ||
	    identities_has(&blobs->named, place_identity(&place)))
		return;
	/* What was computed of it is nowhere: that is bad, and done anew. */
	place.envelope_len = place.structure_len = place.body_len = 1;
	memcpy(where.id, id, sizeof(where.id));
	bytes = malloc(octets);
	if (bytes == NULL) {
		blobs->r = box_fail(b, STORE_ERROR, "out of memory");
		return;
	}
	if (engine_get(b->engine, &where, 0, bytes, octets) == ENGINE_OK) {
		describe(str_of(bytes, octets), &m, &place);
		blobs->r = add(blobs->p, &m, &place);
	}
	free(bytes);
}

static enum store_result recover_blobs(struct repair *p)
{
	const struct state *s = &p->b->state;
	struct blobs blobs = {.p = p};

	for (size_t i = 0; i < s->folder_count && blobs.r == STORE_OK; i++)
		blobs.r = name_blobs(&blobs, s->folders[i]);
	for (size_t i = 0; i < s->dead_count && blobs.r == STORE_OK; i++)
		blobs.r = name_blobs(&blobs, s->dead[i]);
	if (blobs.r == STORE_OK)
		engine_blobs(p->b->engine, recover_blob, &blobs);
	identities_free(&blobs.named);
	return blobs.r;
}

enum store_result repair_recover(struct repair *p)
{
	enum store_result r = STORE_OK;

	for (size_t i = 0; i < p->unnamed_count && r == STORE_OK; i++)
		r = recover_bodies(p, &p->unnamed[i]);
	p->unnamed_count = 0;
	return r == STORE_OK && p->gap ? recover_blobs(p) : r;
}
