"""What a GoogleTest program's own words say, also where it was ended in the middle and wrote no file."""
import re

LINE = re.compile(r"^\[ +(RUN|OK|FAILED|SKIPPED) +\] ([A-Za-z_]\w*\.\w+)(?:, .*)?(?: \((\d+) ms\))?$")


def cases(program, ran):
    """[{"program", "name", "result", "ms"}]; result: ok, failed (crashed, too), skipped, interrupted (no time left)."""
    found = {}
    for line in ran.text.splitlines():
        match = LINE.match(line.rstrip())
        if not match:
            continue
        word, name, ms = match.groups()
        if word == "RUN":
            found[name] = {"program": program, "name": name, "result": "interrupted", "ms": 0}
        elif name in found and found[name]["result"] == "interrupted":
            found[name].update(result=word.lower(), ms=int(ms or 0))
    made = list(found.values())
    unfinished = "interrupted" if ran.cut_off else "failed"
    for case in made:
        if case["result"] == "interrupted":
            case["result"] = unfinished
    # A program that says nothing, or ends badly after all went well, is a case of its own.
    if not made or (ran.code and all(case["result"] in ("ok", "skipped") for case in made)):
        made.append({"program": program, "name": f"{program}.whole", "result": unfinished, "ms": 0})
    return made


def listed(ran):
    """What --gtest_list_tests printed: every test by its whole name."""
    found, suite = [], ""
    for line in ran.text.splitlines():
        word = line.split("#")[0].rstrip()
        if re.fullmatch(r"[\w/]+\.", word):
            suite = word
        elif suite and re.fullmatch(r"  (?!DISABLED_)[\w/]+", word):
            found.append(suite + word.strip())
    return found


def verdict(all_cases):
    count = {word: sum(case["result"] == word for case in all_cases) for word in
             ("ok", "failed", "skipped", "interrupted")}
    says = ", ".join(f"{n} {word}" for word, n in count.items() if n)
    names = [case["name"] for case in all_cases if case["result"] in ("failed", "interrupted")]
    if names:
        says += ": " + ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")
    # On a machine with a GPU, a test that was skipped has proven nothing.
    if count["failed"] or not count["ok"]:
        return {"status": "failed", "says": says}
    return {"status": "cut off" if count["interrupted"] else "passed", "says": says}
