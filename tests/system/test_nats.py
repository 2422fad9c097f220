"""NATS: every record of a sweep stands in the stream once, under its id; what is wrong is told before
the sweep starts. Read back by a client of its own.

    python3 test_nats.py FOLDER [NAME...]     NAME: only that test
"""
import json
import os
import pathlib
import signal

import servers
from nats_support import SERVER_PATIENCE, NatsServer, compare, run_tests, tls_context
from support import Sweep, block, check, loopback, msgpack_objects, run


# --- Well ---

def test_stream(folder, port):
    """The records, their ids, and the stream as it was asked for."""
    output = os.path.join(folder, "a.jsonl")
    with NatsServer(folder) as server, server.client() as client:
        result = run("scan", block(2000), "-p", port, "-o", output, "-o",
                     f"nats://127.0.0.1:{server.port}/trawl.records#stream=T,create,max-age=1h,"
                     "max-bytes=100M,dedupe=10m")
        check(result.returncode == 0, "stream:", result.stderr)
        messages = client.messages("T")
        compare("stream:", messages, output)
        check(all(m.headers["Nats-Msg-Id"] == json.loads(m.data)["id"] for m in messages),
              "stream: ids", messages[0].headers)
        config = client.stream("T")["config"]
        check((config["subjects"], config["max_age"], config["max_bytes"],
               config["duplicate_window"]) == (["trawl.records"], 3600 * 10**9, 100 << 20,
                                               600 * 10**9), "stream:", config)
        # Records without an id are known by their bytes; the same twice is one message.
        for _ in range(2):
            result = run("scan", block(5), "-p", port, "--fields", "host,port,outcome", "-o",
                         f"nats://127.0.0.1:{server.port}/trawl.records")
            check(result.returncode == 0, "stream: again", result.stderr)
        check(client.count("T") == 2005, "stream: without ids", client.count("T"))
        check_msgpack(folder, port, server, client)
        check_decoded(folder, port, server, client)


def check_decoded(folder, port, server, client):
    """Handed on twice by another trawl: each record once, as the first would have written it."""
    packed, lines = (os.path.join(folder, name) for name in ("c.msgpack", "c.jsonl"))
    result = run("scan", block(200), "-p", port, "-o", packed, "-o", lines)
    check(result.returncode == 0, "decoded: scan", result.stderr)
    for _ in range(2):
        result = run("decode", packed, "-o",
                     f"nats://127.0.0.1:{server.port}/handed.on#stream=D,create")
        check(result.returncode == 0, "decoded:", result.stderr)
    compare("decoded:", client.messages("D"), lines)


def check_msgpack(folder, port, server, client):
    output = os.path.join(folder, "b.jsonl")
    result = run("scan", block(300), "-p", port, "--format", "msgpack", "-o",
                 f"nats://127.0.0.1:{server.port}/packed#stream=P,create")
    check(result.returncode == 0, "msgpack:", result.stderr)
    messages = client.messages("P")
    records = [list(msgpack_objects(message.data)) for message in messages]
    check(len(messages) == 300 and all(len(r) == 1 for r in records), "msgpack:", len(messages))
    check({r[0]["host"] for r in records} == {loopback(i) for i in range(300)}, "msgpack: hosts")
    check(all(m.headers["Nats-Msg-Id"] == r[0]["id"] for m, r in zip(messages, records)),
          "msgpack: ids", messages[0].headers)
    pathlib.Path(output).write_bytes(b"".join(m.data for m in messages))
    result = run("decode", output)
    check(result.returncode == 0 and len(result.stdout.splitlines()) == 300, "msgpack: decode",
          result.stderr)


# --- What cannot be ---

def test_too_large(folder, port):
    """What is more than the server takes is counted and told; the others are stored."""
    output, stats = os.path.join(folder, "a.jsonl"), os.path.join(folder, "stats")
    long_name = ".".join(["x" * 60] * 4)
    targets = os.path.join(folder, "targets")
    pathlib.Path(targets).write_text("".join(
        f"{long_name if i % 10 == 0 else 'short'}@{loopback(i)}:{port}\n" for i in range(500)))
    with NatsServer(folder, "max_payload: 800") as server, server.client() as client:
        result = run("scan", f"@{targets}", "--fields", "host,ip,sni,id", "--stats", stats, "-o",
                     output, "-o", f"nats://127.0.0.1:{server.port}/trawl.records#stream=T,create")
        # host and sni of the long ones have 486 bytes; the stream refuses them by its own bound.
        check(result.returncode == 0 and client.count("T") == 500, "large:", result.stderr)
        limit = client.api("STREAM.CREATE.S", name="S", subjects=["small"], max_msg_size=400)
        check("error" not in limit, "large:", limit)
        for subject, name, fields in (
                ("small", "S", "host,ip,sni,id"),
                ("tiny", "Y", "host,ip,sni,addresses,error,plan,outcome,stage,findings,record,time,"
                              "schema,timing_us,status,id")):
            at = f"nats://127.0.0.1:{server.port}/{subject}#stream={name},create"
            result = run("scan", f"@{targets}", "--fields", fields, "--stats", stats, "-o",
                         at + ",spool=off")
            figures = json.loads(pathlib.Path(stats).read_text())
            messages = client.messages(name)
            check(result.returncode == 1 and len(messages) == 450 and
                  figures["records_refused"] == 50, "large:", name, result.returncode,
                  len(messages), figures["records_refused"], result.stderr)
            check(all(json.loads(m.data)["host"] == "short" for m in messages), "large: hosts")
            result = run("scan", f"@{targets}", "--fields", fields, "-o",
                         f"{at},spool={folder}/spool")
            check("50 are dead letters" in result.stderr and client.count(name) == 900,
                  "large: dead letters", result.returncode, result.stderr)


def check_told(name, where, words, environment=None, status=(1, 2)):
    """In one line, before the sweep starts."""
    result = run("scan", "127.0.0.1", "-p", "1", *(["--format", "csv"] if "csv" in name else []),
                 "-o", where, env={**os.environ, **(environment or {})})
    check(result.returncode in status and words in result.stderr and
          len(result.stderr.splitlines()) == 1 and "secret" not in result.stderr, name,
          result.returncode, result.stderr)


def test_told(folder, _):
    """Wrong URLs and options, servers without JetStream, without the stream, with another login."""
    for name, where, words in (
            ("no subject", "nats://127.0.0.1", "the subject"),
            ("wildcard", "nats://127.0.0.1/a.*", "the subject"),
            ("no host", "nats:///a", "HOST:PORT"),
            ("port", "nats://127.0.0.1:99999/a", "HOST:PORT"),
            ("two users", "nats://a:secret@h,b:secret@h/a", "one USER:PASSWORD@"),
            ("option", "nats://127.0.0.1/a#straem=T", "did you mean stream?"),
            ("create", "nats://127.0.0.1/a#create", "#stream=NAME"),
            ("replicas", "nats://127.0.0.1/a#stream=T,replicas=3", "come with #create"),
            ("name", "nats://127.0.0.1/a#stream=a.b", "#stream"),
            ("csv", "nats://127.0.0.1/a", "json or msgpack"),
            ("no password", "nats://127.0.0.1/a#user=u", "TRAWL_NATS_PASSWORD"),
            ("no file", "nats://127.0.0.1/a#user=u,password-file=/nonexistent", "No such file"),
            ("no creds", "nats://127.0.0.1/a#creds-file=/nonexistent", "No such file"),
            ("no TLS", f"nats://127.0.0.1/a#ca-file={__file__}", "nats+tls://"),
            ("roots", f"nats+tls://127.0.0.1/a#ca-file={__file__}", "cannot be used for TLS")):
        check_told(name, where, words)
    with NatsServer(folder, jetstream=False, name="plain") as server:
        check_told("no JetStream", f"nats://127.0.0.1:{server.port}/a", "has no JetStream")
        check_told("no TLS there", f"nats+tls://127.0.0.1:{server.port}/a", "has no TLS")
    with NatsServer(folder, name="streams") as server, server.client() as client:
        at = f"nats://127.0.0.1:{server.port}"
        check_told("no stream", f"{at}/a", "no stream takes this subject")
        check_told("no such stream", f"{at}/a#stream=T", "there is no stream T")
        check_told("replicas", f"{at}/a#stream=T,create,replicas=3", "replicas")
        client.api("STREAM.CREATE.T", name="T", subjects=["b.*"])
        check_told("other subject", f"{at}/a#stream=T", "does not take this subject")
        client.api("STREAM.CREATE.N", name="N", subjects=["n"], no_ack=True)
        check_told("no ack", f"{at}/n#stream=N", "does not acknowledge")
        check_told("taken", f"{at}/b.c#stream=U,create", "overlap")


def test_logins(folder, port):
    """User and password, tokens, and who may not publish."""
    password = os.path.join(folder, "password")
    pathlib.Path(password).write_text("secret1\nmore\n")
    users = f"authorization {{ {SERVER_PATIENCE}\n" + """users: [
        {user: "writer", password: "secret1"}
        {user: "narrow", password: "secret2", permissions: {
            publish: "allowed", subscribe: "_INBOX.>"}} ] }"""
    with NatsServer(folder, users, name="users") as server:
        at = f"127.0.0.1:{server.port}"
        refused = "refuses the login"
        check_told("nobody", f"nats://{at}/a", refused)
        check_told("wrong password", f"nats://writer:secret9@{at}/a", refused)
        check_told("wrong token", f"nats://secret@{at}/a", refused)
        check_told("wrong variable", f"nats://{at}/a", refused,
                   {"TRAWL_NATS_USER": "writer", "TRAWL_NATS_PASSWORD": "secret9"})
        for name, where, environment in (
                ("URL", f"nats://writer:secret1@{at}/a#stream=T,create", {}),
                ("file", f"nats://{at}/a#user=writer,password-file={password}", {}),
                ("user and file", f"nats://writer@{at}/a#password-file={password}", {}),
                ("variables", f"nats://{at}/a", {"TRAWL_NATS_USER": "writer",
                                                 "TRAWL_NATS_PASSWORD": "secret1"})):
            result = run("scan", block(3), "-p", port, "-o", where, env={**os.environ, **environment})
            check(result.returncode == 0 and "secret" not in result.stderr, "login:", name,
                  result.returncode, result.stderr)
        with server.client(login={"user": "writer", "pass": "secret1"}) as client:
            check(client.count("T") == 12, "login: records", client.count("T"))
            client.api("STREAM.CREATE.A", name="A", subjects=["allowed"])
            # Who may publish and no more is not asked for the stream.
            result = run("scan", block(3), "-p", port, "-o",
                         f"nats://narrow:secret2@{at}/allowed#timeout=300ms")
            check(result.returncode == 0 and client.count("A") == 3, "narrow:", result.stderr)
            sweep = Sweep(block(3), "-p", port, "-o", f"nats://narrow:secret2@{at}/a#timeout=300ms,spool=off")
            sweep.hears("ermission")
            sweep.process.send_signal(signal.SIGINT)
            sweep.hears("interrupt again")
            sweep.process.send_signal(signal.SIGINT)
            sweep.end(1)
    with NatsServer(folder, f'authorization {{ token: "secret3", {SERVER_PATIENCE} }}', name="token") as server:
        pathlib.Path(password).write_text("secret3")
        for where, environment in (
                (f"nats://secret3@127.0.0.1:{server.port}/a#stream=T,create", {}),
                (f"nats://127.0.0.1:{server.port}/a#token-file={password}", {}),
                (f"nats://127.0.0.1:{server.port}/a", {"TRAWL_NATS_TOKEN": "secret3"})):
            result = run("scan", block(3), "-p", port, "-o", where, env={**os.environ, **environment})
            check(result.returncode == 0 and "secret" not in result.stderr, "token:", result.stderr)


def test_tls(folder, port):
    """Encrypted, the server's name checked, the client's certificate shown; and processes that have
    used it end well."""
    made = servers.Certificates(folder)
    made.make("localhost")
    client_root = made.make("client", "ec", "basicConstraints=critical,CA:TRUE\n")
    files = {name: os.path.join(folder, name) for name in ("localhost.pem", "localhost.key")}
    options = (f'tls {{ cert_file: "{files["localhost.pem"]}", key_file: "{files["localhost.key"]}",'
               f' ca_file: "{client_root}", {SERVER_PATIENCE}, verify: %s }}')
    with NatsServer(folder, options % "false", name="tls") as server:
        at = f"localhost:{server.port}"
        check_told("wants TLS", f"nats://{at}/a", "TLS failed")
        check_told("unknown root", f"nats+tls://{at}/a", "TLS failed")
        check_told("other name", f"nats+tls://127.0.0.1:{server.port}/a#ca-file={made.root}",
                   "TLS failed")
        for i in range(5):
            result = run("scan", block(100), "-p", port, "-o",
                         f"nats+tls://{at}/a#stream=T,create,ca-file={made.root}")
            check(result.returncode == 0, "TLS:", i, result.returncode, result.stderr)
        with server.client(tls=tls_context(made.root)) as client:
            check(client.count("T") == 500, "TLS:", client.count("T"))
    with NatsServer(folder, options % "true", name="mutual") as server:
        at = f"localhost:{server.port}/a#stream=T,create,tls,ca-file={made.root}"
        result = run("scan", block(5), "-p", port, "-o",
                     f"nats://{at},cert-file={client_root},key-file={made.file('client.key')}")
        check(result.returncode == 0, "mutual TLS:", result.returncode, result.stderr)


run_tests([test_stream, test_too_large, test_told, test_logins, test_tls])
