"""The part of a mail server in the milter protocol, for tests: it gives a
message to a filter and tells which header fields the filter wants on top.

Version 6, with the blanks behind a field's colon, so that a filter sees the
header as it stands.
"""
import socket
import struct

VERSION = 6
ADD_HEADERS, CHANGE_HEADERS = 0x01, 0x10
NO_UNKNOWN, NO_DATA, SKIP, LEADING_BLANKS = 0x100, 0x200, 0x400, 0x100000
CHUNK = 65535
LOOPBACK = b"localhost\0" + b"4" + struct.pack(">H", 40000) + b"127.0.0.1\0"


class Refused(Exception):
    """The filter wants no more of the message."""


class Filter:
    """A connection to a filter at a UNIX-domain socket."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.stream = self.socket.makefile("rb")
        self.send(b"O", struct.pack(
            ">III", VERSION, ADD_HEADERS | CHANGE_HEADERS,
            NO_UNKNOWN | NO_DATA | SKIP | LEADING_BLANKS))
        command, data = self.receive()
        assert command == b"O", command
        self.steps = struct.unpack(">III", data[:12])[2]
        self.step(b"C", LOOPBACK)
        self.step(b"H", b"client.example.com\0")

    def close(self):
        self.send(b"Q")
        self.stream.close()
        self.socket.close()

    def send(self, command, data=b""):
        self.socket.sendall(struct.pack(">I", len(data) + 1) + command + data)

    def receive(self):
        while True:
            size, = struct.unpack(">I", self.stream.read(4))
            packet = self.stream.read(size)
            if packet[:1] != b"p":  # it is still at work
                return packet[:1], packet[1:]

    def step(self, command, data=b""):
        """True when the filter wants no more of the same."""
        self.send(command, data)
        answer, _ = self.receive()
        if answer not in (b"c", b"s"):
            raise Refused(command + b": " + answer)
        return answer == b"s"

    def message(self, message, sender="user@example.com",
                recipients=("someone@example.net",)):
        """Fields that go on top, the first one first, as (name, value)."""
        header, _, body = message.partition(b"\r\n\r\n")
        self.step(b"M", b"<%s>\0" % sender.encode())
        for recipient in recipients:
            self.step(b"R", b"<%s>\0" % recipient.encode())
        for name, value in fields(header):
            self.step(b"L", name + b"\0" + (
                value if self.steps & LEADING_BLANKS else value.lstrip(b" "))
                + b"\0")
        self.step(b"N")
        for at in range(0, len(body), CHUNK):
            if self.step(b"B", body[at:at + CHUNK]):
                break
        self.send(b"E")
        return self.changes()

    def changes(self):
        top = []
        while True:
            answer, data = self.receive()
            if answer in (b"a", b"c"):
                return top
            if answer not in (b"h", b"i"):
                raise Refused(answer)
            if answer == b"i":
                data = data[4:]
            name, value = data.rstrip(b"\0").split(b"\0")
            value = value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            if not self.steps & LEADING_BLANKS:
                value = b" " + value
            top.insert(0, (name, value))


def fields(header):
    """Name and value of each field, folded with line feeds alone, as mail
    servers give them to filters."""
    found = []
    for line in header.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and found:
            found[-1][1] += b"\n" + line
        elif line:
            name, _, value = line.partition(b":")
            found.append([name, value])
    return found
