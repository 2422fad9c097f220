"""A plain Python loop, as certificate monitors are often written: ssl.get_server_certificate in a
pool of threads, and the standard library's own decoder for the dates.

    python_loop.py PORT THREADS <addresses
"""
import concurrent.futures
import ssl
import sys
import tempfile


def look(address):
    try:
        pem = ssl.get_server_certificate((address, int(sys.argv[1])), timeout=10)
    except OSError as why:
        return f"{address} {why}"
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        return f"{address} ok {ssl._ssl._test_decode_cert(file.name)['notAfter']}"


with concurrent.futures.ThreadPoolExecutor(int(sys.argv[2])) as pool:
    for line in pool.map(look, sys.stdin.read().split()):
        print(line)
