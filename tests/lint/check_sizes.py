"""Functions fit a screen, files a sitting, and each folder says on a page what it is for."""
import re
import source_tree as tree

FUNCTION_LINES = 70
FILE_LINES = 800
README_LINES = 60
README_FOLDERS = ["tests", "tools", "tools/deps", "tools/dev", "tools/examples"]


def blank_preprocessor(text):
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group().count("\n"), text,
                  flags=re.M)


def functions(text):
    """(name, first line, lines) of each function of C without comments. A brace at the outermost
    level opens a function when what stands before it ends in `)` and is no initializer. The head
    begins at the last line that is not indented. Initialized tables do not count."""
    depth, start, tables, table_lines, is_function = 0, 0, [], 0, False
    for match in re.finditer(r"[{};]", text):
        token, at = match.group(), match.start()
        if token == "{":
            if depth == 0:
                head = text[start:at].rstrip()
                head = head[max((m.start() for m in re.finditer(r"^\S", head, re.M)), default=0):]
                name = re.search(r"(\w+)\s*\(", head)
                is_function = name and head.endswith(")") and "=" not in head
                first = text.count("\n", 0, at) - head.count("\n") + 1
                table_lines = 0
            elif not tables and text[start:at].rstrip().endswith("="):
                tables.append((depth, at))
            depth += 1
        elif token == "}":
            depth -= 1
            if tables and tables[-1][0] == depth:
                table_lines += text.count("\n", tables.pop()[1], at)
            elif depth == 0 and is_function:
                yield name.group(1), first, text.count("\n", 0, at) + 2 - first - table_lines
        if not tables:
            start = at + 1


def main():
    problems = []
    for path in tree.files(".c", ".h"):
        text = tree.read(path)
        lines = text.count("\n")
        if lines > FILE_LINES:
            problems.append(f"{path}: {lines} lines, at most {FILE_LINES}")
        for name, first, count in functions(blank_preprocessor(tree.without_comments(text))):
            if count > FUNCTION_LINES:
                problems.append(f"{path}:{first}: {name} has {count} lines, at most "
                                f"{FUNCTION_LINES}")
    for folder in list(tree.layers()) + README_FOLDERS:
        readme = tree.ROOT / folder / "README.md"
        if not readme.is_file():
            problems.append(f"{folder}: has no README.md")
        elif readme.read_text().count("\n") > README_LINES:
            problems.append(f"{folder}/README.md: longer than a page of {README_LINES} lines")
    tree.finish(problems, "sizes")


main()
