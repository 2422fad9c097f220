"""Peers for what no package serves: a TDS server after MS-TDS; a relay that hands on what a server
says one byte at a time, and one to servers of one connection; a web server. All on 127.0.0.1, on
the thread of a `with` block."""
import asyncio
import http.server
import socket
import ssl
import struct
import subprocess
import threading

from servers import HttpServer, free_port, listening_ports

PRELOGIN, RESPONSE, LAST = 0x12, 0x04, 0x01
VERSION_OPTION, ENCRYPTION_OPTION, END = 0, 1, 0xFF
ENCRYPT_ON, ENCRYPT_NOT_SUPPORTED = 1, 2
READ_BYTES = 4096


class Peers:
    """asyncio servers on a thread of their own."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @staticmethod
    async def _end():
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def serve(self, handler):
        """Port of a server that calls handler(reader, writer) for each connection."""

        async def handle(reader, writer):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await handler(reader, writer)
            except (OSError, EOFError, ssl.SSLError):
                pass  # the probe ends as soon as it has seen the certificate
            finally:
                writer.close()

        async def listen():
            return await asyncio.start_server(handle, "127.0.0.1", 0)

        server = asyncio.run_coroutine_threadsafe(listen(), self._loop).result()
        return server.sockets[0].getsockname()[1]

    def drip(self, port):
        """A relay to a port: what comes from there goes on in pieces of one byte."""

        async def serve(reader, writer):
            await relay(reader, writer, port, 1)

        return self.serve(serve)

    def process_each(self, command, **options):
        """A relay to a server that takes one connection in its life: each gets a process of its
        own, command(port)."""

        async def serve(reader, writer):
            port = free_port()
            process = subprocess.Popen(command(port), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       **options)
            try:
                while port not in listening_ports() and process.poll() is None:
                    await asyncio.sleep(0.01)
                await relay(reader, writer, port, READ_BYTES)
            finally:
                process.kill()
                process.wait()

        return self.serve(serve)


async def pass_on(reader, writer, size):
    while data := await reader.read(READ_BYTES):
        for at in range(0, len(data), size):
            writer.write(data[at:at + size])
            await writer.drain()
            await asyncio.sleep(0)
    writer.write_eof()


async def relay(reader, writer, port, size):
    """What comes from the port goes on in pieces of that size."""
    there, back = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.gather(pass_on(reader, back, READ_BYTES), pass_on(there, writer, size))
    finally:
        back.close()


# --- TDS ---

def tds_packets(kind, data, size):
    """A message in packets of at most `size` bytes, MS-TDS section 2.2.3.1."""
    room = size - 8
    parts = [data[at:at + room] for at in range(0, len(data), room)] or [b""]
    for number, part in enumerate(parts):
        status = LAST if number == len(parts) - 1 else 0
        yield struct.pack("!BBHHBB", kind, status, 8 + len(part), 0, number & 0xFF, 0) + part


async def read_tds_message(reader):
    data = b""
    while True:
        kind, status, length, _, _, window = struct.unpack("!BBHHBB", await reader.readexactly(8))
        if kind != PRELOGIN or length < 8 or window:
            raise EOFError("no PRELOGIN packet")
        data += await reader.readexactly(length - 8)
        if status & LAST:
            return data


def prelogin_options(data):
    """Section 2.2.6.5: token, offset and length each, until the terminator."""
    options, at = {}, 0
    while data[at] != END:
        token, offset, length = struct.unpack_from("!BHH", data, at)
        if offset + length > len(data):
            raise EOFError("option outside of the message")
        options[token] = data[offset:offset + length]
        at += 5
    return options


def prelogin_response(encryption):
    version = struct.pack("!BBHH", 16, 0, 1000, 0)
    start = 2 * 5 + 1
    return (struct.pack("!BHHBHHB", VERSION_OPTION, start, len(version), ENCRYPTION_OPTION,
                        start + len(version), 1, END) + version + bytes([encryption]))


def tds_server(context, encryption, size, problems):
    """Section 3.3.5: PRELOGIN, then the handshake within PRELOGIN packets. What a client does
    against the specification is added to `problems`."""

    async def handshake(reader, writer):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            for packet in tds_packets(PRELOGIN, outgoing.read(), size) if outgoing.pending else ():
                writer.write(packet)
            await writer.drain()
            if done:
                await reader.read()
                return
            incoming.write(await read_tds_message(reader))

    async def serve(reader, writer):
        options = prelogin_options(await read_tds_message(reader))
        if next(iter(options), None) != VERSION_OPTION or len(options[VERSION_OPTION]) != 6:
            problems.append("TDS: VERSION is not the first option")
        if options.get(ENCRYPTION_OPTION) != bytes([ENCRYPT_ON]):
            problems.append(f"TDS: encryption {options.get(ENCRYPTION_OPTION)}")
        for packet in tds_packets(RESPONSE, prelogin_response(encryption), 4096):
            writer.write(packet)
        if encryption != ENCRYPT_NOT_SUPPORTED:
            await handshake(reader, writer)

    return serve


# --- Web ---

class WebServer:
    """HTTP, or HTTPS with a context: a server that none of the protocols is spoken to."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    class Quiet(HttpServer):
        def handle_error(self, *_):
            pass  # what it is sent is no HTTP, and no TLS either

    def __init__(self, context=None):
        self._server = self.Quiet(("127.0.0.1", 0), self.Handler)
        if context:  # the handshake on the connection's own thread
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
