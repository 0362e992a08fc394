"""A page's pieces of code as a program, and its commands: guide.py snippets PAGE OUT.cpp, guide.py commands PAGE PROGRAM.

A piece that begins with an #include, a namespace, a struct or a function is taken as it is; the others of a chapter
(## ...) are one function. A block of text right behind a piece is what it prints; of commands, the end of it."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

WHOLE = re.compile(r"#include|namespace|struct \w+ \{|[a-z][\w:]* \w+\(.*\{$", re.MULTILINE)


def pieces(page, language):
    """(chapter, line, code, printed) of each fenced block of a language; printed: None where nothing stands below."""
    found, chapter, open_at, kind, last = [], 0, None, "", None
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if open_at is None and line.startswith("## "):
            chapter, last = chapter + 1, None
        if not line.startswith("```"):
            continue
        if open_at is None:
            open_at, kind = number + 1, line[3:]
            continue
        text = "\n".join(lines[open_at:number]) + "\n"
        if kind == "text" and last is not None:
            last[3] = text
        last = [chapter, open_at + 1, text, None] if kind == language else None
        if last is not None:
            found.append(last)
        open_at = None
    return found


def write_snippets(page, out):
    heads, bodies = [], {}
    for chapter, line, code, printed in pieces(page, "cpp"):
        code = f'#line {line} "{page.name}"\n{code}'
        if WHOLE.match(code.split("\n", 1)[1]):
            if printed is not None:
                sys.exit(f"{page}: line {line}: a definition prints nothing")
            heads.append(code)
        else:
            bodies.setdefault(chapter, []).append(f'{code}page.expect({line}, R"~({printed or ""})~");\n')
    text = '#include "guide/page.hpp"\n' + "".join(heads)
    for chapter, parts in bodies.items():
        text += f"static void chapter_{chapter}(rondo::test::Page& page) {{\n" + "".join(parts) + "}\n"
    text += "int main() {\n    rondo::test::Page page;\n"
    text += "".join(f"    chapter_{chapter}(page);\n" for chapter in bodies)
    pathlib.Path(out).write_text(text + "    return page.failures();\n}\n", encoding="utf-8")


def run_commands(page, program):
    path = f"{pathlib.Path(program).resolve().parent}{os.pathsep}{os.environ['PATH']}"
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for _, line, code, printed in pieces(page, "sh"):
            done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", code], cwd=folder, text=True,
                                  env={**os.environ, "PATH": path}, capture_output=True)
            if done.returncode != 0 or not done.stdout.endswith(printed or ""):
                print(f"{page}: line {line}: exit code {done.returncode}, printed\n{done.stdout}{done.stderr}")
                failures += 1
    return failures


if __name__ == "__main__":
    what, page_path, other = sys.argv[1:]
    if what == "snippets":
        write_snippets(pathlib.Path(page_path), other)
    else:
        sys.exit(run_commands(pathlib.Path(page_path), other))
