#!/usr/bin/env python3
"""tests/tidy.py - holds the tree to its own rules: who includes whom, sizes, words, functions, white space.

Prints FILE:LINE: message for each violation and ends with 1 when there is one. Rules are data at the top;
an exception is an entry with its reason.
"""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COLUMNS = 110
C_LINES, H_LINES, FUNCTION_LINES = 600, 160, 70
TEST_C_LINES, TEST_H_LINES = 1200, 450
# What may be larger: the contract of the TLS box is one piece, tables of test cases are data.
LARGER = {"tls/tls.h": 200}

# Folder -> what its files may include with quotes, as prefixes; the longest folder that fits counts.
INCLUDES = {
    "core": ["core/"],
    "tls": ["core/", "tls/"],
    "protocols": ["core/", "protocols/detect", "protocols/codecs/", "protocols/carriers/"],
    "protocols/codecs": ["core/", "protocols/codecs/"],
    "protocols/carriers": ["core/", "protocols/codecs/", "protocols/carriers/"],
    "protocols/frontends": ["core/", "protocols/codecs/", "protocols/frontends/"],
    # A protocol's own folder is added below; the front ends are the wires of the conns that its role opens.
    "protocols/*": ["core/", "protocols/codecs/", "protocols/frontends/", "protocols/detect"],
    "ring": ["core/", "tls/", "ring/"],
    "tools": [""],
    "bench": [""],
    "tests": [""],
}
# Tools are included by nobody but themselves and tests.
PRIVATE = {
    "tools/": ("tools/", "tests/", "bench/"),
    "tests/": ("tests/", "bench/"),
    "bench/": ("bench/", "tests/"),
}

# Library header -> where alone it may be included. Tests and measurements may use everything.
HOMES_OF_HEADERS = {
    r"liburing": [r"ring/(ring_)?uring\w*\.[ch]"],
    r"wolfssl/": [r"tls/"],
    r"intel-ipsec-mb|ipsec-mb": [r"tls/"],
    r"yaml\.h": [r"core/config_yaml\.c"],
    r"ares": [r"ring/resolve\w*\.[ch]"],
    r"libssh": [r"ring/executor\w*\.c"],
    r"jansson|cjson": [r"protocols/"],
    r"nghttp2": [r"protocols/carriers/"],
    r"zlib|lz4": [r"protocols/carriers/", r"protocols/codecs/"],
    # The resolver's thread has a loop of its own.
    r"sys/epoll": [r"ring/ring_epoll\.c", r"ring/resolver\.c"],
    r"pthread|threads": [r"ring/", r"tools/", r"tls/(library|ticket|device)\.c"],
    r"sys/socket|netinet/|netdb|sys/un|poll\.h|sys/uio": [r"ring/", r"tools/"],
    r"unistd|fcntl|sys/stat|sys/mman|sys/random": [r"ring/", r"tools/", r"tls/library\.c"],
    r"(sys/)?time\.h": [r"ring/", r"tools/", r"tls/"],
}
FREE = ("tests/", "bench/")

# Function -> where alone it may be called, and what to do instead.
ALLOCATION = (r"core/(base|buf|memory|hub|idtable|registry|tally|moved|rate_sources)\.c|"
              r"core/(secret|config\w*|problems|stats)\.c|tls/|"
              r"tools/|ring/|protocols/(tls_tunnel|linksocks|management)/(?!\w*wire)")
HOMES_OF_FUNCTIONS = {
    r"malloc|calloc|realloc|strdup|strndup": (ALLOCATION, "take it from the worker's pools"),
    r"clock_gettime|gettimeofday|time": (r"ring/|tools/|tls/", "time is told, not read"),
    r"printf|puts|putchar|fprintf|vprintf|perror": (r"tools/|core/base\.c", "facts go to the log"),
    r"strcpy|strcat|sprintf|vsprintf|gets|alloca|strncpy|strncat|atol": (r"(?!)", "it checks no bounds"),
    r"close": (r"ring/|tools/", "descriptors are the ring's"),
    r"sleep|usleep|nanosleep": (r"tools/", "nothing waits but the ring"),
    r"getenv|secure_getenv": (r"tools/", "the environment is read at the start"),
    r"exit|_exit|abort": (r"tools/|core/base\.c", "only main ends the process; checks abort"),
    r"rand|random|srand|drand48": (r"(?!)", "use random_next, for secrets tls_random"),
    r"assert": (r"(?!)", "use check"),
}

BANNED_PARTS = {"context", "ctx", "manager", "helper", "helpers", "util", "utils"}
BANNED_WORDS = {"data", "handle"}
# Names of libraries.
FOREIGN_WORDS = {"gcm_context_data"}
EVERYWHERE = [r"\bFIX" + "ME", r"\bTO" + r"DO\b", r"\bXX" + r"X\b", "/wo" + "rk/", "/tmp/" + "bash_jobs"]
# Folders that are made, not written.
MADE = ("build", ".git", "__pycache__", ".cache", ".pytest", "target")
# Texts of others.
FOREIGN = {"LICENSE", "tests/peers/rust/Cargo.lock"}
TEXT = (".c", ".h", ".inc", ".py", ".sh", ".md", ".yaml", ".yml", ".txt", ".json", ".toml", ".go", ".rs",
        ".service", ".cmake")
KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "do", "else"}

problems = []


def complain(path, line, text):
    problems.append((path, line, text))


def fits(path, patterns):
    return any(re.match(pattern, path) for pattern in patterns)


def tree():
    for folder, folders, files in os.walk(ROOT):
        folders[:] = sorted(f for f in folders if not f.startswith(MADE))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if path not in FOREIGN and "/corpus/" not in path and (name.endswith(TEXT) or "." not in name):
                yield path


def strip(text):
    """C without comments and without what stands in strings, line by line as it was."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] * 2
        return re.sub(r"[^\n]", " ", found)
    return re.sub(pattern, blank, text, flags=re.S)


def check_text(path, lines):
    wide = path.endswith((".c", ".h", ".py", ".sh")) or "." not in os.path.basename(path)
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            complain(path, number, "white space at the end of the line")
        if wide and len(line.expandtabs(8)) > COLUMNS:
            complain(path, number, f"{len(line.expandtabs(8))} columns, at most {COLUMNS}")
        if path.endswith((".py", ".yaml", ".yml", ".md")) and "\t" in line:
            complain(path, number, "a tab")
        if path.endswith((".c", ".h")) and re.match(r"\t* {8}", line):
            complain(path, number, "eight blanks where a tab belongs")
        if path != "tests/tidy.py":
            for word in EVERYWHERE:
                if re.search(word, line):
                    complain(path, number, f"{word} does not belong into the tree")


def allowed_includes(path):
    parts = path.split("/")
    two = "/".join(parts[:2])
    if two in INCLUDES and len(parts) > 2:
        return INCLUDES[two]
    if parts[0] == "protocols" and len(parts) > 2:
        return INCLUDES["protocols/*"] + [two + "/"]
    return INCLUDES.get(parts[0], [""])


def check_includes(path, lines):
    for number, line in enumerate(lines, 1):
        own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        other = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if own:
            name = own.group(1)
            if not any(name.startswith(prefix) for prefix in allowed_includes(path)):
                complain(path, number, f"{os.path.dirname(path)} may not include {name}")
            for prefix, users in PRIVATE.items():
                if name.startswith(prefix) and not path.startswith(users):
                    complain(path, number, f"{prefix} is included by nobody else")
            if "/" not in name and not path.startswith(FREE):
                complain(path, number, "name the header by its path from the root")
        if other and not path.startswith(FREE):
            for header, homes in HOMES_OF_HEADERS.items():
                if re.match(rf"(?:{header})", other.group(1)) and not fits(path, homes):
                    complain(path, number, f"<{other.group(1)}> is not for this file")


def check_head(path, text):
    if not text.startswith(f"/* {path} - ") and not path.endswith(".inc"):
        complain(path, 1, f"begins with `/* {path} - what it is`")
    if not path.endswith(".h"):
        return
    contract = text.split("*/")[0]
    if len(contract.split("\n")) > 20:
        complain(path, 1, "the contract at the top is longer than 20 lines")
    guard = re.sub(r"\W", "_", path).upper()
    if f"#ifndef {guard}\n#define {guard}\n" not in text:
        complain(path, 1, f"the include guard is not {guard}")


def check_sizes(path, lines):
    header, source = (TEST_H_LINES, TEST_C_LINES) if path.startswith("tests/") else (H_LINES, C_LINES)
    most = LARGER.get(path, header if path.endswith(".h") else source)
    if len(lines) > most and not path.endswith(".inc"):
        complain(path, most, f"{len(lines)} lines, at most {most}")


def check_functions(path, lines):
    """A function is what stands between a brace in the first column and the next one that closes there."""
    start = signature = None
    for number, line in enumerate(lines, 1):
        if start is None and line == "{":
            start = number
        elif start is None and line and not line[0].isspace() and line[0] not in "#}/{*":
            signature = number
        elif start is not None and line.startswith("}"):
            if number - (signature or start) + 1 > FUNCTION_LINES:
                complain(path, signature or start,
                         f"a function of {number - (signature or start) + 1} lines, at most {FUNCTION_LINES}")
            start = None
        elif start is not None and re.match(r"\t{4,}(if|for|while|switch|do)\b", line) \
                and not path.startswith("tests/"):
            complain(path, number, "nested deeper than three")


def check_words(path, lines, library):
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#include"):
            continue
        for match in re.finditer(r"(->|\.)?\s*\b([A-Za-z_]\w*)", line):
            # Members of a library's types have the names that the library gave them.
            if match.group(1) and library:
                continue
            word = match.group(2)
            if word in FOREIGN_WORDS:
                continue
            if word in BANNED_WORDS or BANNED_PARTS.intersection(word.split("_")):
                complain(path, number, f"the name {word} says nothing")


def check_calls(path, lines):
    if path.startswith(FREE):
        return
    for number, line in enumerate(lines, 1):
        # A call, not a member's name and not a declaration of the same name.
        for match in re.finditer(r"(?<![\w>.*])([a-z_]\w*)\(", line):
            for names, (homes, instead) in HOMES_OF_FUNCTIONS.items():
                if re.fullmatch(names, match.group(1)) and not re.match(homes, path):
                    complain(path, number, f"{match.group(1)}() is not for this file: {instead}")


def check_c(path, text):
    lines = text.split("\n")[:-1]
    code = strip(text).split("\n")
    check_head(path, text)
    check_sizes(path, lines)
    check_includes(path, lines)
    check_functions(path, code)
    library = re.search(r"#include <(?!std|string|errno|limits|inttypes)", text) is not None
    check_words(path, code, library)
    check_calls(path, code)


def check_file(path):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8", newline="") as file:
            text = file.read()
    except UnicodeDecodeError:
        if path.endswith(TEXT):
            complain(path, 1, "not UTF-8")
        return
    except FileNotFoundError:
        return
    if "\r" in text:
        complain(path, 1, "carriage returns")
    if text and not text.endswith("\n"):
        complain(path, text.count("\n") + 1, "no newline at the end")
    check_text(path, text.split("\n"))
    if path.endswith((".c", ".h")):
        check_c(path, text)


def main():
    count = 0
    for path in tree():
        check_file(path)
        count += 1
    wanted = tuple(sys.argv[1:])
    found = [p for p in problems if not wanted or p[0].startswith(wanted)]
    for path, line, text in sorted(found):
        print(f"{path}:{line}: {text}")
    print(f"tidy: {count} files, {len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
