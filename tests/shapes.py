"""Generated messages of every shape that makes canonical forms, parsers and
hashes differ. The same seed gives the same messages."""
import random

LETTERS = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789.,;=<>@()[]\"'!?#%&*+/-_"
WIDE = "äöüßéñøЖЯλωשא中文字日本語😀"


def words(rng, least=1, most=10, letters=LETTERS):
    return ["".join(rng.choice(letters) for _ in range(rng.randrange(1, 14)))
            for _ in range(rng.randrange(least, most + 1))]


def sentence(rng, **more):
    return " ".join(words(rng, **more))


def lines(rng, count=8):
    return "".join(sentence(rng) + "\r\n" for _ in range(count))


def plain_header(rng):
    return [("From", " A. User <user@example.com>"),
            ("To", " someone@example.net"),
            ("Subject", " " + sentence(rng)),
            ("Date", " Sun, 22 Nov 2026 08:00:00 +0000"),
            ("Message-ID", " <%d@example.com>" % rng.randrange(10 ** 9))]


def plain(rng):
    return plain_header(rng), lines(rng)


# ---- headers ----

def folded(rng):
    fold = ["\r\n ", "\r\n\t", "\r\n  \t ", " \r\n ", "\t\r\n\t\t"]
    value = "".join(w + rng.choice(fold) for w in words(rng, 3, 20))
    return plain_header(rng) + [("X-Folded", " " + value + "end")], lines(rng)


def folded_at_once(rng):
    head = plain_header(rng)
    head[2] = ("Subject", "\r\n " + sentence(rng))
    return head + [("References", "\r\n\t<a@example.com>\r\n\t<b@example.com>")
                   ], lines(rng)


def tabs_and_blanks(rng):
    value = "".join(w + rng.choice([" ", "\t", " \t ", "   "])
                    for w in words(rng, 3, 12))
    head = plain_header(rng)
    head[2] = ("Subject", rng.choice(["", "\t", "  ", " \t "]) + value)
    return head, lines(rng)


def ends_in_blanks(rng):
    return [(n, v + rng.choice(["", " ", "\t", "  \t"]))
            for n, v in plain_header(rng)], lines(rng)


def no_blank_behind_colon(rng):
    return [(n, v.strip()) for n, v in plain_header(rng)], lines(rng)


def repeat(rng, names):
    head = plain_header(rng)
    for name in names:
        head.insert(rng.randrange(len(head)), (name, " " + sentence(rng)))
    return head, lines(rng)


def repeated(rng):
    return repeat(rng, rng.choices(["Received", "X-Mine", "Comments"], k=8))


def repeated_wrongly(rng):
    """Fields that RFC 5322 allows once."""
    return repeat(rng, rng.choices(["To", "Subject", "Cc"], k=4))


def empty_values(rng):
    head = plain_header(rng)
    head[2] = ("Subject", rng.choice(["", " ", "\t"]))
    for name, value in (("Cc", " "), ("Comments", "\t"), ("X-Mine", ""),
                        ("Keywords", "  \t ")):
        head.insert(rng.randrange(len(head)), (name, value))
    return head, lines(rng)


def only_blanks(rng):
    """Lines of a field that have nothing but blanks (obs-FWS)."""
    head = plain_header(rng)
    head.insert(2, ("X-Mine", " \r\n \r\n\t text"))
    head.insert(3, ("Comments", "\r\n \t\r\n "))
    return head, lines(rng)


def letters_of_names(rng):
    return [("".join(rng.choice([c.upper(), c.lower()]) for c in n), v)
            for n, v in plain_header(rng)], lines(rng)


def unicode_header(rng):
    head = plain_header(rng)
    head[0] = ("From", " Jörg Müller <user@example.com>")
    head[2] = ("Subject", " " + sentence(rng, letters=WIDE + "abc"))
    return head, sentence(rng, letters=WIDE) + "\r\n"


def encoded_words(rng):
    head = plain_header(rng)
    head[2] = ("Subject", " =?utf-8?q?gr=C3=B6=C3=9Fe?=\r\n"
                          " =?iso-8859-1?b?5Pbc?= " + sentence(rng))
    return head, lines(rng)


def many_recipients(rng):
    head = plain_header(rng)
    head[1] = ("To", ",\r\n".join(" %s <r%d@example.net>" % (
        rng.choice(["Ann", '"B. C."', "D"]), n)
        for n in range(rng.randrange(100, 500))))
    return head, lines(rng)


def long_header_line(rng):
    head = plain_header(rng)
    head[2] = ("Subject", " " + "x" * rng.randrange(999, 4000))
    return head, lines(rng)


def many_fields(rng):
    head = plain_header(rng)
    for n in range(rng.randrange(50, 150)):
        head.insert(rng.randrange(len(head)), (
            "X-Field-%d" % (n % 40), " " + sentence(rng)))
    return head, lines(rng)


def looks_like_tags(rng):
    head = plain_header(rng)
    head[2] = ("Subject", " v=1; b=abc; bh=def; h=from:to; b=" +
               sentence(rng))
    return head + [("X-DKIM", " b=1; b=2")], "b=;\r\n"


# ---- bodies ----

def body_empty(rng):
    return plain_header(rng), ""


def body_of_empty_lines(rng):
    return plain_header(rng), "\r\n" * rng.randrange(1, 6)


def body_of_blanks(rng):
    return plain_header(rng), "".join(
        rng.choice([" ", "\t", " \t "]) + "\r\n"
        for _ in range(rng.randrange(1, 5)))


def trailing_empty_lines(rng):
    return plain_header(rng), lines(rng) + "".join(
        rng.choice(["\r\n", " \r\n", "\t\r\n"])
        for _ in range(rng.randrange(1, 8)))


def trailing_blanks(rng):
    return plain_header(rng), "".join(
        sentence(rng) + rng.choice(["", " ", "\t", " \t "]) + "\r\n"
        for _ in range(12))


def inner_blanks(rng):
    return plain_header(rng), "".join(
        rng.choice(["", " ", "\t", "   "]) + rng.choice(
            [" ", "  ", "\t", " \t"]).join(words(rng)) + "\r\n"
        for _ in range(12))


def no_final_line_end(rng):
    return plain_header(rng), lines(rng) + sentence(rng)


def no_final_line_end_but_blanks(rng):
    return plain_header(rng), lines(rng) + sentence(rng) + rng.choice(
        [" ", "\t", "\r\n "])


def eight_bit(rng):
    return plain_header(rng) + [("Content-Transfer-Encoding", " 8bit")], "".join(
        sentence(rng, letters=WIDE + "ab") + "\r\n" for _ in range(20))


def latin_1(rng):
    head, _ = plain(rng)
    return head + [("Content-Type", " text/plain; charset=iso-8859-1")], (
        "größe \xa0\xad ÿ\r\n" * 9).encode("latin-1")


def long_lines(rng):
    return plain_header(rng), "".join(
        "x" * rng.randrange(990, 5000) + rng.choice(["", " "]) + "\r\n"
        for _ in range(4))


def dots(rng):
    return plain_header(rng), "".join(rng.choice(
        [".", "..", ". ", ".text", "text.", "...\t"]) + "\r\n"
        for _ in range(20))


def nested_mime(rng):
    text = "Content-Type: text/plain\r\n\r\n" + lines(rng, 3)
    for depth in range(rng.randrange(3, 12)):
        mark = "=_part-%d" % depth
        text = ("Content-Type: multipart/%s;\r\n\tboundary=\"%s\"\r\n\r\n"
                "--%s\r\n%s\r\n--%s\r\n\r\nother  \r\n--%s--\r\n" % (
                    rng.choice(["mixed", "alternative"]), mark, mark, text,
                    mark, mark))
    kind, _, body = text.partition("\r\n\r\n")
    return plain_header(rng) + [
        ("MIME-Version", " 1.0"),
        ("Content-Type", kind.partition(":")[2])], body


def looks_like_header(rng):
    return plain_header(rng), ("From: b@example.org\r\nDKIM-Signature: v=1\r\n"
                               "\r\n" + lines(rng) + "\r\nFrom a line\r\n")


def large(rng):
    line = "".join(rng.choice(LETTERS) for _ in range(60))
    return plain_header(rng), "".join(
        line[n % 50:] + (" " * (n % 3)) + "\r\n"
        for n in range(rng.randrange(2000, 9000)))


SHAPES = [
    plain, folded, folded_at_once, tabs_and_blanks, ends_in_blanks,
    no_blank_behind_colon, repeated, repeated_wrongly, empty_values, only_blanks,
    letters_of_names, unicode_header, encoded_words, many_recipients,
    long_header_line, many_fields, looks_like_tags, body_empty,
    body_of_empty_lines, body_of_blanks, trailing_empty_lines,
    trailing_blanks, inner_blanks, no_final_line_end,
    no_final_line_end_but_blanks, eight_bit, latin_1,
    long_lines, dots, nested_mime, looks_like_header, large]


# Bodies that SMTP cannot carry: it ends each line.
UNENDED = {"no_final_line_end", "no_final_line_end_but_blanks"}


def octets(text):
    return text if isinstance(text, bytes) else text.encode()


def messages(count=200, seed=6376):
    """Pairs of the shape's name and the message, with CRLF."""
    rng = random.Random(seed)
    made = []
    for n in range(count):
        shape = SHAPES[n % len(SHAPES)]
        header, body = shape(rng)
        made.append((shape.__name__, octets("".join(
            "%s:%s\r\n" % field for field in header)) + b"\r\n" +
            octets(body)))
    return made
