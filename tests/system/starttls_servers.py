"""Servers that speak TLS after a dialogue in the clear, from packages of Debian 12 and 13. Each has a
folder, a configuration and a free port of its own, and the one certificate.

A function a package: it launches the server and yields what is to be found there. It raises Absent
where the package is not installed, or where its server cannot run for this user."""
import glob
import grp
import os
import pathlib
import pwd
import shutil
import subprocess
import sys

from servers import ENVIRONMENT, find, free_port

NAME = "starttls.test"
ROOT = os.geteuid() == 0


class Absent(Exception):
    """Why a server is not there."""


class Endpoint:
    """Where a protocol is spoken, and the refusal that is expected, if any."""

    def __init__(self, protocol, port, server, refusal=None):
        self.protocol, self.port, self.server = protocol, port, server
        self.refusal = refusal


class Site:
    """Where servers put their files, and what their certificate is."""

    def __init__(self, folder, servers, peers, certificate, key):
        self.folder, self.servers, self.peers = pathlib.Path(folder), servers, peers
        self.certificate, self.key = certificate, key

    def place(self, name, user=None):
        """A folder with cert.pem and key.pem, owned by the server's user."""
        folder = self.folder / name
        folder.mkdir()
        shutil.copy(self.certificate, folder / "cert.pem")
        shutil.copy(self.key, folder / "key.pem")
        (folder / "key.pem").chmod(0o600)
        if user and ROOT:
            for path in (folder, *folder.iterdir()):
                shutil.chown(path, user)
        return folder

    def launch(self, name, ports, *command, user=None, environment=None):
        options = {"env": {**ENVIRONMENT, **(environment or {})}, "cwd": self.folder / name}
        if user and ROOT:
            options |= {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        self.servers.launch(name, ports, *command, **options)


def program(*names, root=False):
    """The first of them that is there."""
    for name in names:
        found = find(name) or next(iter(sorted(glob.glob(name))), None)
        if found:
            if root and not ROOT:
                raise Absent("runs for root only")
            return found
    raise Absent("not installed")


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout


def write(path, text):
    path.write_text(text, encoding="ascii")
    path.chmod(0o644)
    return str(path)


# --- Mail ---

def postfix(site):
    """One server with TLS, one without."""
    master = program("/usr/lib/postfix/sbin/master", root=True)
    place, ports = site.place("postfix"), [free_port(), free_port()]
    for folder in ("queue/pid", "queue/private", "queue/public", "data"):
        (place / folder).mkdir(parents=True)
        if not folder.endswith("pid"):
            shutil.chown(place / folder, "postfix")
    write(place / "main.cf", f"""
compatibility_level = 3.6
queue_directory = {place}/queue
data_directory = {place}/data
command_directory = /usr/sbin
daemon_directory = {pathlib.Path(master).parent}
mail_owner = postfix
setgid_group = postdrop
myhostname = {NAME}
mydestination =
alias_maps =
local_recipient_maps =
smtpd_relay_restrictions = reject
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_tls_security_level = may
smtpd_tls_cert_file = {place}/cert.pem
smtpd_tls_key_file = {place}/key.pem
""")
    write(place / "master.cf", f"""
127.0.0.1:{ports[0]} inet n - n - - smtpd
127.0.0.1:{ports[1]} inet n - n - - smtpd -o smtpd_tls_security_level=none
rewrite unix - - n - - trivial-rewrite
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
""")
    site.launch("postfix", ports, master, "-c", str(place), "-d")
    yield Endpoint("smtp", ports[0], "Postfix")
    yield Endpoint("smtp", ports[1], "Postfix", "STARTTLS is not offered")


DOVECOT_LISTENERS = {"imap": "imap-login", "pop3": "pop3-login", "sieve": "managesieve-login",
                     "lmtp": "lmtp"}


def dovecot(site):
    dovecot_program = program("dovecot")
    for protocol, service in DOVECOT_LISTENERS.items():
        program(f"/usr/lib/dovecot/{service}")
    place = site.place("dovecot")
    old = run(dovecot_program, "--version").startswith("2.3")
    ports = {protocol: free_port() for protocol in DOVECOT_LISTENERS}
    text = f"base_dir = {place}/run\nlog_path = /dev/stderr\nlisten = 127.0.0.1\nssl = yes\n"
    text += "protocols = " + " ".join(ports) + "\n"
    if old:
        text += (f"ssl_cert = <{place}/cert.pem\nssl_key = <{place}/key.pem\n"
                 "passdb {\n  driver = static\n  args = nopassword=y\n}\n")
    else:
        text = ("dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" + text +
                f"ssl_server_cert_file = {place}/cert.pem\nssl_server_key_file = {place}/key.pem\n"
                "passdb static {\n  password = none\n}\n")
    if not ROOT:
        user = pwd.getpwuid(os.geteuid()).pw_name
        text += f"default_internal_user = {user}\ndefault_login_user = {user}\n"
        text += f"default_internal_group = {grp.getgrgid(os.getegid()).gr_name}\n"
    for protocol, service in DOVECOT_LISTENERS.items():
        text += f"service {service} {{\n"
        text += "" if ROOT else "  chroot =\n"
        text += f"  inet_listener {protocol} {{\n    port = {ports[protocol]}\n  }}\n"
        if protocol in ("imap", "pop3"):
            text += f"  inet_listener {protocol}s {{\n    port = 0\n  }}\n"
        text += "}\n"
    site.launch("dovecot", ports.values(), dovecot_program, "-F", "-c",
                write(place / "dovecot.conf", text))
    for protocol, port in ports.items():
        yield Endpoint(protocol, port, "Dovecot")


# --- Directories, files, news ---

def openldap(site):
    """One server with TLS, one without, which is asked all the same."""
    slapd = program("slapd")
    for name, refusal in (("slapd", None), ("slapd-plain", "protocolError (2): unsupported")):
        place, port = site.place(name), free_port()
        text = f"pidfile {place}/pid\nargsfile {place}/args\n"
        if not refusal:
            text += f"TLSCertificateFile {place}/cert.pem\nTLSCertificateKeyFile {place}/key.pem\n"
        site.launch(name, [port], slapd, "-f", write(place / "slapd.conf", text), "-d", "0",
                    "-h", f"ldap://127.0.0.1:{port}")
        yield Endpoint("ldap", port, "OpenLDAP slapd", refusal)


def vsftpd(site):
    """One server with TLS and a banner that looks like replies, one without."""
    server = program("vsftpd", root=True)
    for name, refusal in (("vsftpd", None), ("vsftpd-plain", "530 Please login with USER")):
        place, port = site.place(name), free_port()
        (place / "empty").mkdir()
        write(place / "banner", "Welcome\n234 not yet\n 220 nor this\n")
        site.launch(name, [port], server, write(place / "vsftpd.conf", f"""\
listen=YES
background=NO
listen_address=127.0.0.1
listen_port={port}
banner_file={place}/banner
secure_chroot_dir={place}/empty
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
ssl_enable={"NO" if refusal else "YES"}
rsa_cert_file={place}/cert.pem
rsa_private_key_file={place}/key.pem
"""))
        yield Endpoint("ftp", port, "vsftpd", refusal)


def inn(site):
    """Its reader, which serves without the rest of the system but wants its files."""
    nnrpd = program("/usr/lib/news/bin/nnrpd", root=True)
    place, port = site.place("inn", "news"), free_port()
    paths = ("db", "etc", "run", "log", "spool", "tmp", "overview")
    environment = {"INNCONF": write(place / "inn.conf", f"""\
mta: "/bin/true"
domain: {NAME}
pathhost: {NAME}
pathnews: /usr/lib/news
nnrpdloadlimit: 0
ovmethod: tradindexed
hismethod: hisv6
tlscafile: {site.certificate}
tlscertfile: {place}/cert.pem
tlskeyfile: {place}/key.pem
""" + "".join(f"path{path}: {place}\n" for path in paths))}
    write(place / "storage.conf", "method trash {\n    newsgroups: *\n    class: 0\n}\n")
    write(place / "readers.conf", 'auth "all" {\n    hosts: "*"\n    default: "<all>"\n}\n'
          'access "all" {\n    users: "*"\n    newsgroups: "*"\n}\n')
    for name in ("active", "active.times", "newsgroups", "history"):
        write(place / name, "")
    for path in place.iterdir():
        shutil.chown(path, "news")
    run("/usr/lib/news/bin/makehistory", "-x", "-O", env={**ENVIRONMENT, **environment})
    site.launch("inn", [port], nnrpd, "-D", "-f", "-4", "127.0.0.1", "-p", str(port),
                "-c", "readers.conf", environment=environment)
    yield Endpoint("nntp", port, "INN nnrpd")


# --- Chat ---

def prosody(site):
    server = program("prosody")
    place, client, peer = site.place("prosody"), free_port(), free_port()
    text = f"""
run_as_root = true
daemonize = false
pidfile = "{place}/pid"
data_path = "{place}"
certificates = "{place}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client} }}
c2s_direct_tls_ports = {{ }}
s2s_ports = {{ {peer} }}
s2s_direct_tls_ports = {{ }}
modules_enabled = {{ "tls", "saslauth", "dialback" }}
ssl = {{ certificate = "{place}/cert.pem", key = "{place}/key.pem" }}
log = {{ info = "*console" }}
VirtualHost "{NAME}"
"""
    site.launch("prosody", [client, peer], server, "-F", "--config",
                write(place / "prosody.cfg.lua", text))
    yield Endpoint("xmpp", client, "Prosody")
    yield Endpoint("xmpp-server", peer, "Prosody")


def inspircd(site):
    """One server with capability negotiation, one that passes over what it does not know."""
    server = program("inspircd")
    for name, modules in (("inspircd", ("cap", "starttls", "ssl_gnutls")),
                          ("inspircd-no-cap", ("starttls", "ssl_gnutls"))):
        place, port = site.place(name), free_port()
        text = "".join(f'<module name="{module}">\n' for module in modules) + f"""
<server name="{NAME}" description="test" network="test" id="1AA">
<admin name="test" nick="test" description="test" email="test@{NAME}">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect name="main" allow="*" timeout="60" resolvehostnames="no">
<sslprofile name="Clients" provider="gnutls" certfile="{place}/cert.pem" keyfile="{place}/key.pem">
<path configdir="{place}" datadir="{place}" logdir="{place}" runtimedir="{place}">
"""
        site.launch(name, [port], server, *(["--runasroot"] if ROOT else []), "--nofork", "--nopid",
                    f"--config={write(place / 'inspircd.conf', text)}")
        yield Endpoint("irc", port, "InspIRCd")


# --- Databases ---

def postgresql(site):
    server = program("/usr/lib/postgresql/*/bin/postgres")
    user = "postgres" if ROOT else None
    place, port = site.place("postgres", user), free_port()
    as_user = {"user": user, "group": user, "extra_groups": []} if user else {}
    run(pathlib.Path(server).parent / "initdb", "-D", place / "data", "-A", "trust", "--no-sync",
        "--no-instructions", "--locale=C", cwd=place, **as_user)
    site.launch("postgres", [port], server, "-D", str(place / "data"), "-F", *(
        f"--{setting}" for setting in (
            f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "ssl=on",
            f"ssl_cert_file={place}/cert.pem", f"ssl_key_file={place}/key.pem")), user=user)
    yield Endpoint("postgres", port, "PostgreSQL")


def mariadb(site):
    """Without its system tables, which nobody gets to see before TLS."""
    server = program("mariadbd")
    for name, refusal in (("mariadb", None), ("mariadb-plain", "TLS is not offered")):
        place, port = site.place(name), free_port()
        (place / "data").mkdir()
        tls = (["--skip-ssl"] if refusal else
               [f"--ssl-cert={place}/cert.pem", f"--ssl-key={place}/key.pem"])
        site.launch(name, [port], server, "--no-defaults", *(["--user=root"] if ROOT else []),
                    f"--datadir={place}/data", f"--tmpdir={place}", "--skip-grant-tables",
                    "--skip-innodb", "--default-storage-engine=Aria", "--bind-address=127.0.0.1",
                    f"--port={port}", f"--socket={place}/socket", f"--pid-file={place}/pid", *tls)
        yield Endpoint("mysql", port, "MariaDB", refusal)


# --- Terminals and screens ---

def kermit(site):
    """C-Kermit as a telnet server, which takes one connection."""
    server = program("kermit")
    place = site.place("kermit")

    def command(port):
        return server, write(place / f"{port}.ksc", f"""\
set telopt /server start-tls required
set telopt /server authentication refused
set telopt /server encryption refused
set auth tls rsa-cert-file {place}/cert.pem
set auth tls rsa-key-file {place}/key.pem
set auth tls verify no
set tcp address 127.0.0.1
set tcp reverse-dns-lookup off
set host * {port} /telnet
exit
"""), "-Y"

    port = site.peers.process_each(command, cwd=place, env={**ENVIRONMENT, "HOME": str(place)})
    yield Endpoint("telnet", port, "C-Kermit")


def tigervnc(site):
    """One server with certificates, one with anonymous TLS only, one that knows no TLS."""
    server = program("Xtigervnc")
    for name, types, refusal in (
            ("tigervnc", "X509None", None),
            ("tigervnc-anonymous", "TLSNone", "with a certificate"),
            ("tigervnc-plain", "None", "VeNCrypt is not offered")):
        place, port = site.place(name), free_port()
        site.launch(name, [port], server, "-displayfd", "1", "-rfbport", str(port), "-interface",
                    "127.0.0.1", "-SecurityTypes", types, "-X509Cert", f"{place}/cert.pem",
                    "-X509Key", f"{place}/key.pem")
        yield Endpoint("vnc", port, "TigerVNC", refusal)


def xrdp(site):
    server = program("xrdp")
    for name, layer, refusal in (("xrdp", "negotiate", None),
                                 ("xrdp-plain", "rdp", "standard RDP security")):
        place, port = site.place(name), free_port()
        site.launch(name, [port], server, "--nodaemon", "--config", write(place / "xrdp.ini", f"""\
[Globals]
ini_version=1
fork=true
port=tcp://127.0.0.1:{port}
security_layer={layer}
crypt_level=high
certificate={place}/cert.pem
key_file={place}/key.pem
ssl_protocols=TLSv1.2, TLSv1.3
[Logging]
LogFile={place}/xrdp.log
LogLevel=INFO
EnableSyslog=false
[Channels]
[Xvnc]
name=Xvnc
lib=libvnc.so
"""))
        yield Endpoint("rdp", port, "xrdp", refusal)


# Package, and how its server is launched.
PACKAGES = {
    "postfix": postfix, "dovecot": dovecot, "slapd": openldap, "vsftpd": vsftpd, "inn2": inn,
    "prosody": prosody, "inspircd": inspircd, "postgresql": postgresql,
    "mariadb-server-core": mariadb, "ckermit": kermit, "tigervnc-standalone-server": tigervnc,
    "xrdp": xrdp,
}
