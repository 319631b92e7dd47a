/* SPDX-License-Identifier: ISC */
/* A terminal as a screen that is written anew again and again, with plain
 * ANSI sequences. */
#ifndef POSTHOUSE_SCREEN_H
#define POSTHOUSE_SCREEN_H

#include "core/buf.h"

/* Takes the terminal; 0, or -1 when stdin or stdout is none. */
int screen_enter(void);
/* Gives it back as it was; again and again without harm. */
void screen_leave(void);
/* Shows as much of the text as there is room for; octets that are not
 * printable ASCII become "?". */
void screen_show(struct str text);
/* Lines that there is room for. */
size_t screen_lines(void);
/* Waits for a key, at most ms: it, or 0. The end of the input and signals
 * that end a program are 'q'; a resized or resumed terminal is 0. */
int screen_key(int ms);

#endif
