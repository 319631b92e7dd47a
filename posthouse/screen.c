/* SPDX-License-Identifier: ISC */
#include "posthouse/screen.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "core/file.h"

#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[?25h\033[?1049l"

static struct termios before;
static bool entered;
static volatile sig_atomic_t ending, stopping, resized;

static void caught(int signal_number)
{
	if (signal_number == SIGTSTP)
		stopping = 1;
	else if (signal_number == SIGWINCH)
		resized = 1;
	else
		ending = 1;
}

/* No echo, and keys as they come; signals stay. */
static void take_terminal(void)
{
	struct termios raw = before;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
	file_write_full(STDOUT_FILENO, ENTER, sizeof(ENTER) - 1);
	entered = true;
}

int screen_enter(void)
{
	static const int signals[] = {
	    SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP, SIGWINCH};
	struct sigaction a = {.sa_handler = caught};

	if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &a, NULL);
	take_terminal();
	return 0;
}

void screen_leave(void)
{
	if (!entered)
		return;
	entered = false;
	file_write_full(STDOUT_FILENO, LEAVE, sizeof(LEAVE) - 1);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
}

static struct winsize size(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_row == 0 ||
	    w.ws_col == 0)
		w = (struct winsize){.ws_row = 24, .ws_col = 80};
	return w;
}

size_t screen_lines(void)
{
	return size().ws_row;
}

void screen_show(struct str text)
{
	struct winsize w = size();
	struct buf out = buf_new(1u << 20);

	buf_add_text(&out, "\033[H");
	for (unsigned row = 0; row < w.ws_row; row++) {
		struct str line = str_sub(str_cut(&text, '\n'), 0, w.ws_col);

		for (size_t i = 0; i < line.len; i++)
			buf_add_char(&out,
			    line.p[i] >= ' ' && line.p[i] <= '~' ? line.p[i]
								 : '?');
		buf_add_text(&out, "\033[K");
		if (row + 1u < w.ws_row)
			buf_add_text(&out, "\n");
	}
	file_write_full(STDOUT_FILENO, out.p, out.len);
	buf_free(&out);
}

/* As the shell's job control wants it. */
static void rest(void)
{
	stopping = 0;
	screen_leave();
	raise(SIGSTOP);
	take_terminal();
}

int screen_key(int ms)
{
	struct pollfd p = {STDIN_FILENO, POLLIN, 0};
	unsigned char key = 0;
	int n;

	resized = 0;
	n = ending || stopping ? 0 : poll(&p, 1, ms);
	if (stopping) {
		rest();
		return 0;
	}
	if (ending)
		return 'q';
	if (n <= 0)
		return 0;
	return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}
