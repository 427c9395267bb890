"""The house's rules: one function a rule, each finding a line "file:line: what is wrong", each rule one test.

usage: tidy.py [--objects FOLDER] [RULE...]

Without a RULE all are checked. `frames` looks into the object files of a build, and is left out without --objects.
What is tolerated stands in the tables at the head of this file, with its reason; an entry that is not needed any more
is a finding, too. Each rule is first tried on a planted violation: one that finds nothing there would find nothing
anywhere.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

MOST_COLUMNS = 120
MOST_FUNCTION_LINES = 60
MOST_FILE_LINES = 400
FEWEST_FILE_LINES = 25
MOST_README_BYTES = 12_000

# file: function: why one thought needs more lines
LONG_FUNCTIONS = {}

# file: why it is not two
LONG_FILES = {}

# a small file with one user: why it stands alone
SMALL_FILES = {}

# rule: file: why. These are empty when the rooms are sorted.
CHANGES_SAMPLES_ELSEWHERE = {}
INSERTS_EVENTS_ELSEWHERE = {}
SEES_SIMDJSON_ELSEWHERE = {}
NAMES_VENDOR_ELSEWHERE = {}

# What is at home at the top: anything else is a stray.
TOP_LEVEL = {
    ".ci", ".clang-format", ".clang-tidy", ".editorconfig", ".github", ".gitignore", ".shellcheckrc", "CHANGELOG.md",
    "CMakeLists.txt", "LICENSE",
    "META.json", "Makefile", "README.md", "expected", "sql", "src", "test", "wearables_ingest.control",
}  # fmt: skip

# A page that others link to and that another branch adds.
PAGES_TO_COME = {}

# What includes postgres.h. Rarer headers of the server may follow where they are needed.
SERVER_DOORS = {"src/pg/server/server.h", "src/pg/server/compat.h"}

BANNED = {
    r"\b(strcpy|strcat|sprintf|vsprintf|gets)\s*\(": "writes without a limit",
    r"\b(system|popen)\s*\(": "starts a shell",
    r"(?<![\w.])(std::)?(printf|puts|putchar)\s*\(|std::cout": "writes to the server's stdout",
    r"\bstd::j?thread\b|\bpthread_create\b": "the server knows no threads",
    r"\b(u|nano)?sleep\s*\(": "cannot be interrupted: WaitLatch() can",
    r"\belog\s*\(": "has no SQLSTATE: ereport() has",
    r"\busing\s+namespace\s+std\b": "takes all names of the library",
}
BANNED_IN_CORE = {
    r"\b(palloc0?|pfree|ereport|MemoryContext\w*|SPI_\w+|PG_TRY)\b": "is the server's, which the core does not know",
}


class Tree:
    """The files that git tracks, by path; those that are not text have the text ""."""

    def __init__(self, files):
        self.files = dict(sorted(files.items()))

    @classmethod
    def of_checkout(cls, top):
        names = subprocess.run(
            ["git", "-c", f"safe.directory={top}", "ls-files", "-z"], cwd=top, check=True, capture_output=True
        ).stdout.decode()
        files = {}
        for name in filter(None, names.split("\0")):
            path = top / name
            if not path.is_file():
                continue  # deleted, not yet committed
            content = path.read_bytes()
            try:
                files[name] = "" if b"\0" in content else content.decode()
            except UnicodeDecodeError:
                files[name] = ""
        return cls(files)

    def under(self, *folders, suffixes=()):
        for name, text in self.files.items():
            if name.startswith(folders) and (not suffixes or name.endswith(tuple(suffixes))):
                yield name, text

    def cpp(self, *folders):
        return self.under(*(folders or ("src/",)), suffixes=(".h", ".cpp"))


def numbered(text):
    return enumerate(text.split("\n"), start=1)


def line_at(text, offset):
    return text.count("\n", 0, offset) + 1


TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>\w*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])*'""", re.DOTALL
)


def blanked(text, strings=True):
    """C++ without comments, and without what stands in strings; every line stays where it is."""

    def blank(match):
        token = match.group(0)
        if not strings and not token.startswith("/"):
            return token
        return re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(blank, text)


def included(text):
    """(line, name, in angle brackets) of each #include."""
    for number, line in numbered(text):
        match = re.match(r"\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", line)
        if match:
            yield number, match.group(2), match.group(1) == "<"


def tolerated(findings, table, rule):
    """What no entry of `table` covers, and each entry that covers nothing."""
    used = set()
    for where, what in findings:
        file = where.partition(":")[0]
        if file in table:
            used.add(file)
        else:
            yield where, what
    for file in sorted(set(table) - used):
        yield file, f"is tolerated by {rule}, which finds nothing there: take it off the list"


# ---- the layers and the rooms


SERVER_HEADER = re.compile(
    r"(postgres|fmgr|miscadmin|funcapi|pgstat)\.h$|"
    r"(access|catalog|commands|common|executor|jit|libpq|mb|nodes|optimizer|parser|port|postmaster|replication|"
    r"rewrite|storage|tcop|tsearch|utils)/"
)


def layers(tree):
    """worker -> pg -> core, and the core knows no server. In pg and worker its headers come after our door to it."""
    above = {"core": ("pg/", "worker/"), "pg": ("worker/",), "worker": ()}
    for layer, forbidden in above.items():
        for name, text in tree.cpp(f"src/{layer}/"):
            door = name in SERVER_DOORS
            for number, header, system in included(text):
                door = door or header.startswith(("pg/", "worker/"))
                if header.startswith(forbidden):
                    yield f"{name}:{number}", f"{layer} includes {header}: it lies above"
                elif SERVER_HEADER.match(header):
                    if layer == "core":
                        yield f"{name}:{number}", f"the core includes the server's {header}"
                    elif not door or (header == "postgres.h" and name not in SERVER_DOORS):
                        yield f"{name}:{number}", f"includes the server's {header} before pg/server/server.h"
                elif not (system or name in SERVER_DOORS or header.startswith(("core/", "pg/", "worker/"))):
                    yield f"{name}:{number}", f"includes {header}, which is not named from src/ on"


def writes_samples(tree):
    """pg/write alone changes sample_points."""
    changes = re.compile(
        r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE|COPY)\s+(ONLY\s+)?(wearables\.)?sample_points\b",
        re.IGNORECASE,
    )
    return tolerated(
        (
            (f"{name}:{line_at(text, match.start())}", f"{match.group(1)} sample_points: pg/write alone changes them")
            for name, text in tree.under("src/", suffixes=(".h", ".cpp", ".sql"))
            if not name.startswith("src/pg/write/")
            for match in changes.finditer(text)
        ),
        CHANGES_SAMPLES_ELSEWHERE,
        "writes_samples",
    )


def stores_events(tree):
    """pg/store alone inserts raw events."""
    inserts = re.compile(r"\bINSERT\s+INTO\s+(wearables\.)?webhook_events\b", re.IGNORECASE)
    return tolerated(
        (
            (f"{name}:{line_at(text, match.start())}", "inserts into webhook_events: pg/store alone does")
            for name, text in tree.under("src/", suffixes=(".h", ".cpp", ".sql"))
            if not name.startswith("src/pg/store/")
            for match in inserts.finditer(text)
        ),
        INSERTS_EVENTS_ELSEWHERE,
        "stores_events",
    )


def curl(tree):
    """core/http alone sees libcurl."""
    return (
        (f"{name}:{number}", "includes libcurl: core/http alone does")
        for name, text in tree.cpp()
        if not name.startswith("src/core/http/")
        for number, line in numbered(blanked(text, strings=False))
        if re.search(r"#include <curl/", line)
    )


def simdjson(tree):
    """core/json alone sees simdjson."""
    return tolerated(
        (
            (f"{name}:{number}", "names simdjson: core/json alone does")
            for name, text in tree.cpp()
            if not name.startswith("src/core/json/")
            for number, line in numbered(blanked(text, strings=False))
            if "simdjson" in line
        ),
        SEES_SIMDJSON_ELSEWHERE,
        "simdjson",
    )


def vendor_words(tree):
    """A vendor's words stand in its room, in the shipped rows, in the manual and in tests."""
    return tolerated(
        (
            (f"{name}:{number}", f"{match.group(0)}: a vendor's word, which core/vendor and sql/shipped know")
            for name, text in tree.under("src/", suffixes=(".h", ".cpp", ".sql"))
            if not name.startswith(("src/core/vendor/", "src/sql/shipped/"))
            for number, line in numbered(text)
            if (match := re.search(r"svix|junction|whsec|whsk", line, re.IGNORECASE))
        ),
        NAMES_VENDOR_ELSEWHERE,
        "vendor_words",
    )


# ---- sizes


def functions(text):
    """(name, first line, lines) of each function that has a body. Knows the code that clang-format writes."""
    code = re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), blanked(text),
                  flags=re.MULTILINE)  # fmt: skip
    stack, start = [], 0
    for offset, c in enumerate(code):
        if c == ";" and not (stack and stack[-1] is not None):
            start = offset + 1
        elif c == "{":
            head = code[start:offset]
            inside = any(entry is not None for entry in stack)
            is_function = (
                not inside
                and "(" in head
                and not re.match(r"\s*(namespace|class|struct|enum|union)\b|\s*extern\s*$", head)
                and not re.search(r"=\s*$", head)
            )
            stack.append((head, start + len(head) - len(head.lstrip())) if is_function else None)
            if not inside:
                start = offset + 1
        elif c == "}" and stack:
            entry = stack.pop()
            if entry is not None:
                head, begin = entry
                name = re.search(r"([~\w:]+)\s*\(", re.sub(r"\[\[.*?\]\]|__attribute__\(\(.*?\)\)", "", head))
                first = line_at(code, begin)
                yield (name.group(1) if name else "?"), first, line_at(code, offset) - first + 1
            if not any(entry is not None for entry in stack):
                start = offset + 1


def function_length(tree):
    """A function is about as long as one thought."""
    known = set()
    for name, text in tree.cpp():
        for function, first, lines in functions(text):
            if lines <= MOST_FUNCTION_LINES:
                continue
            if function in LONG_FUNCTIONS.get(name, {}):
                known.add((name, function))
            else:
                yield f"{name}:{first}", f"{function}() has {lines} lines, at most {MOST_FUNCTION_LINES}"
    for name, listed in LONG_FUNCTIONS.items():
        for function in listed:
            if (name, function) not in known:
                yield name, f"{function}() is listed as long, and is not: take it off the list"


def file_length(tree):
    """A file of the sources is read in one go."""
    return tolerated(
        (
            (f"{name}:{text.count(chr(10))}", f"more than {MOST_FILE_LINES} lines")
            for name, text in tree.under("src/", suffixes=(".h", ".cpp", ".sql"))
            if text.count("\n") > MOST_FILE_LINES
        ),
        LONG_FILES,
        "file_length",
    )


def users_of(tree, header):
    """Files of the sources that include it, but for the one that it is the header of."""
    own = header.removesuffix(".h") + ".cpp"
    wanted = header.removeprefix("src/")
    return [name for name, text in tree.cpp() if name != own and any(h == wanted for _, h, _ in included(text))]


def small_files(tree):
    """What is small and has one user is part of that user."""
    return tolerated(small_with_one_user(tree), SMALL_FILES, "small_files")


def small_with_one_user(tree):
    for name, text in tree.cpp():
        lines = text.count("\n")
        header = name.removesuffix(".cpp").removesuffix(".h") + ".h"
        body = name.removesuffix(".h") + ".cpp"
        if lines >= FEWEST_FILE_LINES or header not in tree.files:
            continue
        if name.endswith(".h") and body in tree.files:
            continue  # it is as short as it can be; its .cpp is looked at
        users = users_of(tree, header)
        layer = PurePosixPath(name).parts[1]
        if len(users) == 1 and PurePosixPath(users[0]).parts[1] == layer:
            yield f"{name}:1", f"{lines} lines with one user, {users[0]}: put it there"


def width(tree):
    """No line is wider than a screen of two columns. Tests hold bodies as they are sent."""
    for name, text in tree.under("src/", suffixes=(".sql", ".h", ".cpp")):
        for number, line in numbered(text):
            if len(line) > MOST_COLUMNS:
                yield f"{name}:{number}", f"{len(line)} columns, at most {MOST_COLUMNS}"


# ---- what is called


def banned(tree):
    """Calls that have no place in a server."""
    for name, text in tree.cpp():
        patterns = BANNED | (BANNED_IN_CORE if name.startswith("src/core/") else {})
        for number, line in numbered(blanked(text)):
            for pattern, why in patterns.items():
                match = re.search(pattern, line)
                if match:
                    yield f"{name}:{number}", f"{match.group(0).strip()} {why}"


# ---- what nobody uses


def unused_headers(tree):
    """Every header is included somewhere."""
    wanted = {header for _, text in tree.cpp("src/", "test/") for _, header, _ in included(text)}
    for name, _ in tree.under("src/", suffixes=(".h",)):
        if name.removeprefix("src/") not in wanted:
            yield name, "nobody includes it"
    for name, _ in tree.under("test/", suffixes=(".h",)):
        if PurePosixPath(name).name not in {PurePosixPath(header).name for header in wanted}:
            yield name, "nobody includes it"


def is_found_by_pattern(name, tree):
    """Whether a runner takes it by a pattern of names."""
    path = PurePosixPath(name)
    folder = str(path.parent)
    if folder in ("test/tap", "test/attack") and path.suffix == ".pl":
        return bool(re.match(r"\d{3}_", path.name))
    if folder == "test/unit":
        return path.name.endswith("_test.cpp")
    if folder in ("test/fuzz", "test/bench") and path.suffix == ".cpp":
        return path.name.endswith(("_fuzz.cpp", "_bench.cpp"))
    if name.startswith("test/fuzz/corpus/"):
        return f"test/fuzz/{path.parts[3]}.cpp" in tree.files
    if folder == "test/specs":
        return f"test/expected/{path.stem}.out" in tree.files
    if folder == "test/expected":
        return f"test/specs/{re.sub(r'_[0-9]$', '', path.stem)}.spec" in tree.files
    if folder == "sql":
        return f"expected/{path.stem}.out" in tree.files
    if folder == "expected":
        return f"sql/{re.sub(r'_[0-9]$', '', path.stem)}.sql" in tree.files
    return False


def unreachable_tests(tree):
    """Every file of the tests is run, or named by one that is."""
    naming = {
        name: text
        for name, text in tree.files.items()
        if name in ("Makefile", "CMakeLists.txt")
        or (name.startswith("test/") and not name.startswith(("test/fuzz/corpus/", "test/expected/")))
    }
    for name in tree.files:
        path = PurePosixPath(name)
        if not name.startswith(("test/", "sql/", "expected/")) or is_found_by_pattern(name, tree):
            continue
        if path.suffix == ".md" or path.name in ("__init__.py", ".npmrc"):
            continue
        if path.suffix == ".py":
            pattern = rf"\b(import|from)\b[^\n]*\b{path.stem}\b|\b{path.stem}\.py\b"
        elif path.suffix == ".pm":
            pattern = rf"\buse {path.stem}\b"
        elif path.suffix:
            pattern = rf"(?<![\w.]){re.escape(path.name)}\b"
        else:  # a script: test/demo/run, or its neighbour's $here/inside
            pattern = rf"{re.escape(path.parent.name)}/{re.escape(path.name)}\b"
        if folder_is_globbed(path, naming):
            continue
        if not any(other != name and re.search(pattern, text) for other, text in naming.items()):
            yield name, "no runner reaches it"


def folder_is_globbed(path, naming):
    """test/bench/lines is read as a folder by its neighbour."""
    return path.parent.name == "lines" and "test/bench/bench.py" in naming


def stray_files(tree):
    """Nothing lies at the top that is not at home there."""
    for name in sorted({name.partition("/")[0] for name in tree.files} - TOP_LEVEL):
        yield name, "is not one of the known entries at the top of the tree"


# ---- what leads elsewhere

MACHINE = {
    r"(?<![\w.$}/-])/work/\w": "a path of one machine",
    r"/tmp/dev\b": "a path of one machine",
    r"(?<![\w}/])/root/[\w.]": "a path of one machine",
    r"/home/(?!dev\b)\w": "a path of one machine",
    r"registry\.npmjs\.org|files\.pythonhosted\.org|//pypi\.org|proxy\.golang\.org": "a host of a registry",
}  # fmt: skip


def machine_paths(tree):
    """No path of a machine that is not everybody's, no host of a registry: clients know theirs."""
    for name, text in tree.files.items():
        if name.startswith(("test/tidy/", "test/fuzz/corpus/")):
            continue  # the patterns themselves
        for number, line in numbered(text):
            for pattern, what in MACHINE.items():
                match = re.search(pattern, line)
                if match:
                    yield f"{name}:{number}", f"{match.group(0)}: {what}"


def dead_links(tree):
    """A link of a page leads to a file, and to a heading that is there."""
    folders = {str(parent) for name in tree.files for parent in PurePosixPath(name).parents}
    for name, text in tree.under("", suffixes=(".md",)):
        for number, line in numbered(text):
            for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+:", link):
                    continue
                file, _, heading = link.partition("#")
                target = os.path.normpath(PurePosixPath(name).parent / file) if file else name
                if target in PAGES_TO_COME and target not in tree.files:
                    continue
                if target not in tree.files and target not in folders:
                    yield f"{name}:{number}", f"{link} leads to no file"
                elif heading and heading not in headings(tree.files.get(target, "")):
                    yield f"{name}:{number}", f"{link} leads to no heading"


    for name in PAGES_TO_COME:
        if name in tree.files:
            yield name, "is there: take it off the list"


def headings(text):
    """As GitHub makes anchors of them."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ +(.*?) *$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# ---- the manual


def readme_size(tree):
    """The README is read in one go: what is longer is a chapter's."""
    size = len(tree.files.get("README.md", "").encode())
    if size > MOST_README_BYTES:
        yield "README.md", f"{size} bytes, at most {MOST_README_BYTES}"


def chapters(tree):
    """A chapter begins with a task, and leads to other chapters only: it is installed without the repository."""
    for name, text in tree.under("src/manual/", suffixes=(".md",)):
        if PurePosixPath(name).name != "index.md":
            prose = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).split("\n\n")
            if not (text.startswith("# ") and any(part.lstrip().startswith("You want ") for part in prose[:3])):
                yield f"{name}:1", 'does not begin with a title and a task ("You want to ...")'
        for number, line in numbered(text):
            for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                if not re.match(r"[a-z]+:|#|[\w-]+\.md(#|$)", link):
                    yield f"{name}:{number}", f"{link} is not installed beside it"


def rules_are_explained(tree):
    """Each rule that a comment refers to by its number has a chapter's heading, and each test that the manual names is there."""
    page = tree.files.get("src/manual/rules.md", "")
    explained = set(re.findall(r"^## .* \((R\d+)\)$", page, re.MULTILINE))
    for name, text in tree.under("src/", "test/", suffixes=(".cpp", ".h", ".sql", ".pl", ".py", ".spec")):
        if name.startswith("test/tidy/"):
            continue
        for number, line in numbered(text):
            for rule in re.findall(r"\bR\d{1,2}\b", line):
                if rule not in explained:
                    yield f"{name}:{number}", f"{rule} has no heading in rules.md"
    folders = {"sql": "sql/{}.sql", "specs": "test/specs/{}.spec", "tap": "test/tap/{}", "attack": "test/attack/{}"}
    for name, text in tree.under("src/manual/", suffixes=(".md",)):
        for folder, test in re.findall(r"`(sql|specs|tap|attack)/(\w+)`", text):
            start = folders[folder].format(test)
            if not any(file.startswith(start) for file in tree.files):
                yield name, f"there is no test {folder}/{test}"


def log_lines(tree):
    """The manual says what each line in the server's log means: by its longest piece without a place holder."""
    page = tree.files.get("src/manual/debug.md", "")
    for name, text in tree.under("src/pg/", "src/worker/", suffixes=(".cpp",)):
        for call in re.finditer(r"ereport\((?:LOG|WARNING),.*?errmsg\(((?:\s*\"(?:[^\"\\]|\\.)*\")+)", text, re.DOTALL):
            message = re.sub(r'"\s*"', "", call.group(1)).strip()[1:-1].replace('\\"', '"')
            piece = max(re.split(r"%[\w.*]+", message), key=len).strip(' ":')
            if piece not in page and "stop point" not in message:
                yield f"{name}:{text.count(chr(10), 0, call.start()) + 1}", f'"{message}" is not in debug.md'


# ---- no frame of pg or worker holds a destructor

# A frame that must destroy something when an exception passes has a landing pad that ends in this call.
RESUME = "_Unwind_Resume"
# Not ours to judge, by their mangled names: functions of the library and of the core, which run below call_core(), and
# call_core() itself.
NOT_FRAMES = re.compile(
    r"_ZN?K?S[a-z]|_ZNK?9__gnu_cxx|_ZNK?9wearables(?!2pg|6worker|12_GLOBAL__N_1)|_ZN9wearables2pg9call_coreI"
)


def resuming(object_file):
    """The mangled names of the functions in it that end a landing pad."""
    listing = subprocess.run(
        ["objdump", "--disassemble", "--reloc", "--no-show-raw-insn", str(object_file)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    function, found = None, set()
    for line in listing.split("\n"):
        match = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if match:
            function = match.group(1)
        elif RESUME in line:
            found.add(re.sub(r"[.].*", "", function))
    return found


def frames_in(object_file):
    ours = sorted(function for function in resuming(object_file) if not NOT_FRAMES.match(function))
    readable = subprocess.run(["c++filt"], input="\n".join(ours), check=True, capture_output=True, text=True).stdout
    return readable.split("\n") if ours else []


def frames(folder):
    """A server error jumps over a frame: none of pg or worker may have anything to destroy."""
    objects = sorted([*folder.glob("src/pg/*/*.o"), *folder.glob("src/worker/*.o")])
    if not objects:
        yield str(folder), "holds no objects of pg and worker"
    for object_file in objects:
        for function in frames_in(object_file):
            source = object_file.relative_to(folder).with_suffix(".cpp")
            yield str(source), f"{function} has something to destroy when it is left by an error"


PLANTED_FRAME = """
#include <string>
#include <string_view>
#include <vector>
extern "C" void may_raise(const char*);
namespace wearables::pg {
std::string_view holds_a_string(int, std::string_view text) {
  std::string copy(text);
  may_raise(copy.c_str());
  return text;
}
std::string_view holds_nothing(std::string_view text) {
  may_raise(text.data());
  return text;
}
void catches_all(const char* text, std::vector<std::string>* list) {
  try {
    list->push_back(std::string(text));
  } catch (...) {
  }
  may_raise(text);
}
namespace {
template <class T>
std::vector<T>* holds_a_vector(T number) {
  std::vector<T> numbers(3, number);
  may_raise(reinterpret_cast<const char*>(numbers.data()));
  return nullptr;
}
}  // namespace
void* call_template() { return holds_a_vector(3); }
}  // namespace wearables::pg
extern "C" void sql_function(const char* text) {
  auto hold = [&]() __attribute__((noinline)) {
    std::string copy(text);
    may_raise(copy.c_str());
  };
  hold();
}
"""


def frames_find_planted():
    """Of these functions, exactly those that hold something."""
    compiler = os.environ.get("CXX", "g++")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "planted.cpp"
        source.write_text(PLANTED_FRAME)
        subprocess.run([compiler, "-std=c++20", "-O2", "-fPIC", "-c", "planted.cpp"], cwd=folder, check=True)
        found = "\n".join(frames_in(source.with_suffix(".o")))
    held = ("holds_a_string", "sql_function")
    # a template may be inlined into the one that calls it
    return all(name in found for name in held) and ("holds_a_vector" in found or "call_template" in found) and not (
        "holds_nothing" in found or "catches_all" in found
    )


# ---- the test of the tests

LONG_BODY = "".join(f"  step({number});\n" for number in range(MOST_FUNCTION_LINES))

# rule: a tree in which it must find something, and one in which it must not
PLANTED = {
    layers: (
        {"src/core/a/a.cpp": '#include "pg/b/b.h"\n', "src/core/a/b.cpp": '#include "utils/builtins.h"\n'},
        {"src/pg/b/b.cpp": '#include "core/a/a.h"\n#include <string>\n'},
    ),
    writes_samples: (
        {"src/pg/read/a.cpp": 'f("DELETE FROM\\n wearables.sample_points");\n'.replace("\\n", "\n")},
        {"src/pg/write/a.cpp": "UPDATE wearables.sample_points", "src/pg/read/a.cpp": "SELECT FROM sample_points"},
    ),
    stores_events: (
        {"src/pg/receive/a.cpp": "insert into wearables.webhook_events"},
        {"src/pg/store/a.cpp": "INSERT INTO wearables.webhook_events"},
    ),
    curl: (
        {"src/pg/read/a.cpp": "#include <curl/curl.h>\n"},
        {"src/core/http/a.cpp": "#include <curl/curl.h>\n", "src/core/parse/a.h": "// curl_multi does it\n"},
    ),
    simdjson: (
        {"src/pg/read/a.cpp": "#include <simdjson.h>\n"},
        {"src/core/json/a.cpp": "#include <simdjson.h>\n", "src/core/parse/a.h": "// simdjson reads it\n"},
    ),
    vendor_words: (
        {"src/pg/receive/a.cpp": "// as Svix does\n"},
        {"src/core/vendor/a.cpp": "svix", "src/sql/shipped/1.sql": "junction", "src/README.md": "Svix"},
    ),
    function_length: (
        {"src/pg/a/a.cpp": f"namespace a {{\nvoid long_one(int b) {{\n{LONG_BODY}}}\n}}\n"},
        {"src/pg/a/a.cpp": f"namespace a {{\nclass B {{\n{LONG_BODY}\n}};\nvoid short_one() {{\n  f();\n}}\n}}\n"},
    ),
    file_length: (
        {"src/pg/a/a.cpp": "\n" * (MOST_FILE_LINES + 1)},
        {"src/pg/a/a.cpp": "\n" * MOST_FILE_LINES},
    ),
    small_files: (
        {"src/pg/a/a.h": "\n", "src/pg/a/b.cpp": '#include "pg/a/a.h"\n'},
        {"src/pg/a/a.h": "\n", "src/pg/a/b.cpp": '#include "pg/a/a.h"\n', "src/pg/a/c.cpp": '#include "pg/a/a.h"\n'},
    ),
    width: (
        {"src/sql/a/1.sql": "-" * (MOST_COLUMNS + 1)},
        {"src/sql/a/1.sql": "ü" * MOST_COLUMNS},
    ),
    banned: (
        {"src/pg/a/a.cpp": '  elog(ERROR, "no");\n'},
        {"src/pg/a/a.cpp": '  // elog()\n  snprintf(a, 1, "printf(");\n  std::fprintf(stderr, "%s", a);\n'},
    ),
    unused_headers: (
        {"src/pg/a/a.h": "\n"},
        {"src/pg/a/a.h": "\n", "src/pg/a/a.cpp": '#include "pg/a/a.h"\n'},
    ),
    unreachable_tests: (
        {"test/demo/forgotten.sql": "SELECT 1;\n"},
        {"test/demo/used.sql": "SELECT 1;\n", "test/demo/run": "psql -f used.sql\n", "Makefile": "test/demo/run\n"},
    ),
    stray_files: ({"notes.txt": ""}, {"README.md": "", "src/a": ""}),
    machine_paths: (
        {"test/run": "cp a " + "/work" + "/main/b\n"},
        {"test/run": "cp a $area/work/b; cp /usr/bin/true /tmp/area\n"},
    ),
    readme_size: ({"README.md": "ä" * MOST_README_BYTES}, {"README.md": "a" * MOST_README_BYTES}),
    chapters: (
        {"src/manual/a.md": "# A\n\nThis is.\n", "src/manual/b.md": "# B\n\nYou want to b: [a](../../README.md).\n"},
        {"src/manual/a.md": "# A\n\n<!-- tour -->\n\nYou want to a: [b](b.md#c).\n", "src/manual/index.md": "# All\n"},
    ),
    rules_are_explained: (
        {"src/pg/a/a.h": "// R7\n", "src/manual/rules.md": "## One (R1)\n\n`tap/001`\n"},
        {"src/pg/a/a.h": "// R1\n", "src/manual/rules.md": "## One (R1)\n\n`tap/001`\n", "test/tap/001_a.pl": "# R1\n"},
    ),
    log_lines: (
        {"src/pg/a/a.cpp": 'ereport(LOG, (errcode(1), errmsg("never %s heard "\n   "of")));'},
        {"src/pg/a/a.cpp": 'ereport(LOG, (errmsg("a line of %d")));', "src/manual/debug.md": "| `a line of 5` |\n"},
    ),
    dead_links: (
        {"README.md": "[map](src/README.md)\n"},
        {"README.md": "[map](src/README.md#a-map)\n", "src/README.md": "# A map\n"},
    ),
}  # fmt: skip
RULES = list(PLANTED)


def planted_are_found():
    """The names of the rules that miss a planted violation, or find one where there is none."""
    for rule, (bad, good) in PLANTED.items():
        found = [where for where, what in rule(Tree(bad)) if "take it off the list" not in what]
        found_in_good = [where for where, what in rule(Tree(good)) if "take it off the list" not in what]
        if not found or found_in_good:
            yield rule.__name__


def report(name, findings):
    """Prints one rule's line, and what it found; whether that is nothing."""
    findings = list(findings)
    print(f"{'not ok' if findings else 'ok'} - {name}")
    for where, what in findings:
        print(f"  {where}: {what}")
    return not findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--objects", type=Path, help="a built tree, for the rule frames")
    parser.add_argument("rules", nargs="*")
    arguments = parser.parse_args()
    unknown = set(arguments.rules) - {rule.__name__ for rule in RULES} - {"frames"}
    if unknown:
        sys.exit(f"there is no rule {', '.join(sorted(unknown))}")

    tree = Tree.of_checkout(Path(__file__).resolve().parent.parent.parent)
    wanted = [rule for rule in RULES if not arguments.rules or rule.__name__ in arguments.rules]
    good = [report(rule.__name__, rule(tree)) for rule in wanted]
    if arguments.objects:
        good.append(report("frames", frames(arguments.objects)))
        good.append(report("frames, planted", [] if frames_find_planted() else [("test/tidy/tidy.py", "missed")]))
    if not arguments.rules:
        good.append(report("planted", (("test/tidy/tidy.py", f"{rule} fails") for rule in planted_are_found())))
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
