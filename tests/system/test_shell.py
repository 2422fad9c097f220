"""What shells and man(1) are given of the option tables: `trawl completion`, `trawl help --man`."""
import os
import re
import shlex
import subprocess

TRAWL = os.environ["TRAWL"]

MACROS = {"TH", "SH", "SS", "TP", "B", "I", "BR", "nf", "fi"}


def trawl(*arguments):
    return subprocess.run([TRAWL, *arguments], capture_output=True, check=True, text=True).stdout


def complete(script, *words):
    """What bash offers for the last of the words."""
    ask = ('. /dev/stdin; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _trawl; '
           'printf "%s\\n" "${COMPREPLY[@]}"')
    run = subprocess.run(["bash", "--norc", "-c", ask, "bash", "trawl", *words], input=script,
                         capture_output=True, check=True, text=True)
    assert not run.stderr, run.stderr
    return run.stdout.split()


def options_of(command):
    """As help prints them."""
    return set(re.findall(r"^ +(?:-\w, )?--([a-z0-9-]+)", trawl("help", command), re.M))


def commands():
    return re.findall(r"^  ([a-z]+) +(?!COMMAND)\S", trawl("help").split("Examples")[0], re.M)


def test_bash():
    script = trawl("completion", "bash")
    assert complete(script, "s")[0] == "scan"
    assert set(complete(script, "")) == set(commands())
    assert complete(script, "scan", "--plan", "g") == ["grab"]
    assert complete(script, "scan", "--rate", "") == []
    assert complete(script, "list", "fi") == ["fields"]
    assert complete(script, "help", "wat") == ["watch"]
    assert "@/etc/hostname" in complete(script, "scan", "@/etc/hostn")
    for command in ("scan", "watch", "check", "bench"):
        offered = {word[2:] for word in complete(script, command, "--")}
        assert options_of(command) <= offered, (command, options_of(command) - offered)
    subprocess.run(["bash", "-n"], input=trawl("completion", "zsh"), check=True, text=True)


def test_fish():
    lines = trawl("completion", "fish").splitlines()
    assert all(shlex.split(line)[:3] == ["complete", "-c", "trawl"] for line in lines)
    assert any("-l plan -r -f -a 'handshake grab audit '" in line for line in lines)


def test_man_pages():
    for name in [None, *commands()]:
        page = trawl("help", "--man", *([name] if name else []))
        lines = page.splitlines()
        assert lines[0].startswith(".TH TRAWL"), lines[0]
        macros = {line[1:].split()[0] for line in lines if line.startswith(".")}
        assert macros <= MACROS, (name, macros)
        assert lines.count(".nf") == lines.count(".fi")
        assert not re.search(r"(?<!\\)-", "\n".join(line for line in lines[1:] if line[:1] != ".")), name
    found = set(re.findall(r"\\fB\\-\\-(.*?)\\fR", trawl("help", "--man", "scan")))
    assert {name.replace("\\-", "-") for name in found} >= options_of("scan")


def test_wrong():
    for arguments in (["completion"], ["completion", "csh"], ["help", "--man", "scann"]):
        run = subprocess.run([TRAWL, *arguments], capture_output=True, check=False, text=True)
        assert run.returncode == 2 and run.stderr.count("\n") == 1, run
        assert not run.stdout


def main():
    for test in (test_bash, test_fish, test_man_pages, test_wrong):
        test()


main()
