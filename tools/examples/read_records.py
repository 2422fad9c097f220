"""Reads trawl's records from a socket and prints a line for each.

    python3 read_records.py PATH            trawl scan ... -o 'msgpack+unix://PATH#listen'
    python3 read_records.py HOST PORT       trawl scan ... -o 'msgpack+tcp://HOST:PORT#listen'

With --ack first it says how many records it has printed, for '#listen,ack': what it has not said is
sent again to the next reader, so that nothing is lost when this one is killed.
"""
import socket
import struct
import sys

# Heads with a number behind them: struct's letter for it.
NUMBERS = {0xca: "f", 0xcb: "d", 0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q", 0xd0: "b", 0xd1: "h",
           0xd2: "i", 0xd3: "q"}
# Heads of texts, lists and maps with their length behind them.
LENGTHS = {0xd9: "B", 0xda: "H", 0xdb: "I", 0xdc: "H", 0xdd: "I", 0xde: "H", 0xdf: "I"}
CONSTANTS = {0xc0: None, 0xc2: False, 0xc3: True}


def take(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the stream ends within a record")
    return data


def number(stream, letter):
    return struct.unpack(">" + letter, take(stream, struct.calcsize(letter)))[0]


def value(stream, head):
    """The value that begins with this byte."""
    if head < 0x80 or head >= 0xe0:
        return head if head < 0x80 else head - 256
    if head in CONSTANTS:
        return CONSTANTS[head]
    if head in NUMBERS:
        return number(stream, NUMBERS[head])
    if head in LENGTHS:
        length = number(stream, LENGTHS[head])
    elif head < 0xc0:
        length = head & (31 if head >= 0xa0 else 15)
    else:
        raise ValueError(f"a record never has the head {head:#x}")
    if 0xa0 <= head < 0xc0 or head in (0xd9, 0xda, 0xdb):
        return take(stream, length).decode()
    if 0x90 <= head < 0xa0 or head in (0xdc, 0xdd):
        return [value(stream, take(stream, 1)[0]) for _ in range(length)]
    return {value(stream, take(stream, 1)[0]): value(stream, take(stream, 1)[0])
            for _ in range(length)}


def records(stream):
    while head := stream.read(1):
        yield value(stream, head[0])


def connect(where):
    if len(where) == 2:
        return socket.create_connection(where)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(where[0])
    return connection


def main():
    acknowledges = "--ack" in sys.argv[1:2]
    where = sys.argv[1 + acknowledges:]
    if len(where) not in (1, 2):
        sys.exit(__doc__)
    with connect(where) as connection, connection.makefile("rb") as stream:
        for count, record in enumerate(records(stream), 1):
            print(record.get("host"), record.get("port"), record.get("outcome"), flush=True)
            if acknowledges:
                connection.sendall(struct.pack(">BQ", 0xcf, count))


main()
