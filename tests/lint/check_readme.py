"""What the documents name exists: links, paths, commands and their options."""
import functools
import os
import re
import shlex
import subprocess
import source_tree as tree

TOP = ("engine", "ingest", "sinks", "tools", "bench", "tests", ".ci")
PROGRAM = {"trawl", "tools/run", "./tools/run", "build/release/trawl"}


@functools.lru_cache
def help_text(command):
    """What the program says about a command (None: in general), or None when it knows none."""
    run = subprocess.run([os.environ["TRAWL"], "help", *([command] if command else [])],
                         capture_output=True, text=True)
    return run.stdout + run.stderr if run.returncode == 0 else None


def simple_commands(block):
    """The words of each simple command in a fenced block of shell: joined lines, split at pipes."""
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        line = line.strip().removeprefix("$ ")
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&()<>")
            lexer.whitespace_split = True
            words = []
            for word in lexer:
                if set(word) <= set("|;&()"):
                    yield words
                    words = []
                else:
                    words.append(word)
            yield words
        except ValueError:  # output of a program, not a command
            continue


def command_problems(words):
    while words and re.fullmatch(r"\w+=.*|sudo|time|env", words[0]):
        words = words[1:]
    if not words or words[0] not in PROGRAM:
        return
    arguments = words[1:]
    if not arguments or arguments[0].startswith(("-", "<", ">")):
        return
    command = arguments[0]
    if command in ("help", "COMMAND") or re.fullmatch(r"[A-Z]+(\.\.\.)?", command):
        return
    text = help_text(command)
    if text is None:
        yield f"there is no command `trawl {command}`"
        return
    for word in arguments[1:]:
        option = re.match(r"--[a-z][a-z0-9-]*|-[A-Za-z]", word)
        if option and not re.search(rf"(?<![\w-]){re.escape(option.group())}(?![\w-])", text):
            yield f"`trawl {command}` has no option {option.group()}"


def path_problems(path, text):
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link and not (tree.ROOT / path.parent / link).exists():
            yield f"link to {link}, which does not exist"
    for code in re.findall(r"`([^`\n]+)`", text) + re.findall(r"```.*?```", text, re.S):
        for word in re.findall(r"(?<![\w./-])[\w.][\w./-]*", code):
            word = word.removeprefix("./").rstrip(".")
            if word.split("/")[0] in TOP and "/" in word and not (tree.ROOT / word).exists() \
                    and not re.search(re.escape(word) + r"[X*<{]", code) and "X" not in word:
                yield f"names {word}, which does not exist"


def main():
    problems = []
    has_program = os.environ.get("TRAWL") and os.access(os.environ["TRAWL"], os.X_OK)
    for path in tree.files(".md"):
        text = tree.read(path)
        problems += (f"{path}: {p}" for p in path_problems(path, text))
        blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S)
        for words in (w for block in blocks if has_program for w in simple_commands(block)):
            problems += (f"{path}: {p}" for p in command_problems(words))
    if not has_program and not problems:
        tree.skip("no program to ask for its commands; links and paths are good")
    tree.finish(problems, "documents")


main()
