# Builds and installs the extension with PGXS. `make help` lists what else there is.
EXTENSION = wearables_ingest
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" wearables_ingest.control)
MODULE_big = wearables_ingest
OBJS = $(patsubst %.cpp,%.o,$(sort $(wildcard src/core/*/*.cpp src/pg/*/*.cpp src/worker/*.cpp)))
DATA_built = wearables_ingest--$(EXTVERSION).sql
# the chapters of the manual, the reference, which is made, and what dashboards and exporters read
DOCS = $(sort $(wildcard src/manual/*.md)) wearables_ingest-reference.md $(sort $(wildcard src/grafana/*))
# a program of its own, for a host that reaches the database and the archive
SCRIPTS = src/archive/wearables-archive
SHLIB_EXPORTS = src/exports.txt
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server)
PG_CXXFLAGS = -std=c++20 -Wall -Wextra -Wshadow -Wno-register -Wno-unused-parameter -MMD -MP -DNDEBUG $(WERROR)
# STOP_POINTS=1: tests can make a session pause, fail or die at named places, see src/pg/server/stop_point.h
ifdef STOP_POINTS
PG_CPPFLAGS += -DWEARABLES_STOP_POINTS
endif
SHLIB_LINK = -lsimdjson -lcurl -lcrypto -lstdc++
EXTRA_CLEAN = $(OBJS:.o=.d) $(DATA_built) wearables_ingest-reference.md build results tmp_check output_iso
# SANITIZE=address,undefined: our objects report what they do wrong, see test/sanitize
ifdef SANITIZE
PG_CXXFLAGS += -O1 -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
SHLIB_LINK += -fsanitize=$(SANITIZE)
endif
# ASSERTS=1: Assert() of ours and of the server's headers is checked, on a server built without, too
ifdef ASSERTS
PG_CPPFLAGS += -DUSE_ASSERT_CHECKING=1 -DWEARABLES_ASSERTIONS
endif

REGRESS = $(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test
TAP_TESTS = 1
PROVE_TESTS = $(sort $(wildcard test/tap/*.pl))

PG_CONFIG ?= pg_config
# PGXS would compile every source again as C++14 bitcode, which nothing of ours gains from
override with_llvm := no
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
headers := $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)
# Debian's client and libpq-dev come with pg_config and PGXS, but without the headers
ifneq ($(and $(wildcard $(PGXS)),$(wildcard $(headers)/postgres.h)),)
include $(PGXS)
# Chapters have short names, so they get a folder beside the documents of other extensions. MODULEDIR would also move
# the install script.
docmoduledir := extension/wearables_ingest
# PGXS removes a document and a program by the path in the sources, not by the name.
uninstall: uninstall-manual
uninstall-manual:
	rm -f $(addprefix '$(DESTDIR)$(docdir)/$(docmoduledir)'/, $(notdir $(DOCS)))
	rm -f $(addprefix '$(DESTDIR)$(bindir)'/, $(notdir $(SCRIPTS)))
.PHONY: uninstall-manual
else
all install uninstall installcheck clean:
	@echo 'PG_CONFIG = $(PG_CONFIG) leads to no server headers: $(if $(headers),$(headers)/postgres.h is missing,it does not run).' >&2
	@echo 'Install them (Debian: postgresql-server-dev-N, N is the version of the server), or name another: make PG_CONFIG=/path/to/pg_config' >&2
	@exit 1
endif

# the walk over a body is most of the work
ifndef SANITIZE
src/core/%.o: override CXXFLAGS += -O3
endif

-include $(OBJS:.o=.d)

# the parts of all rooms, in the order of their numbers
sql_parts := $(foreach part,$(sort $(notdir $(wildcard src/sql/*/*.sql))),$(wildcard src/sql/*/$(part)))
wearables_ingest--$(EXTVERSION).sql: $(sql_parts) wearables_ingest.control
	cat $(filter %.sql,$^) > $@

# what is said at each declaration, as a chapter of the manual
wearables_ingest-reference.md: src/manual/reference.pl src/manual/errors.pl $(sql_parts) $(wildcard src/pg/*/*.cpp src/worker/*.cpp)
	perl $< src > $@ || { rm -f $@; exit 1; }
all: wearables_ingest-reference.md

.PHONY: help reference demo demo-live test one lint format tidy converge chaos bench bare catalogue pgspot fhir hostile sanitize sqlsmith asserts
help: ## shows this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

demo: ## installs missing packages, builds, sends signed deliveries to a temporary server and shows the results
	@test/demo/run

demo-live: ## shows in a browser how a heart rate moves as readings arrive, until Ctrl-C, at most ten minutes
	@test/demo/live/run

test: ## installs missing packages, builds and runs every test; STEPS="lint tidy unit regress bench isolation convergence chaos tap" selects some
	@test/run

one: ## runs the tests of one name (regress, isolation, TAP, unit) in seconds, over builds that are kept: TEST=replay
	@test/one

reference: wearables_ingest-reference.md ## generates the reference of functions, views, tables, settings and errors: wearables_ingest-reference.md

lint: ## runs clang-format, clang-tidy, shellcheck and ruff; CHECKS="format shell" selects some
	@test/lint/run

format: ## formats the C++ sources with clang-format
	@test/lint/run --format

tidy: ## checks the rules of the repository: layers, rooms, file sizes, banned calls, unused files; RULES="layers frames" selects some
	@test/tidy/run

N ?= 1000
converge: ## checks that random orders, duplicates, crashes and replays all end in the same state; N=10000 sets how many
	@test/convergence/run $(N)

ROUNDS ?= 200
chaos: ## sends deliveries while processes are killed, leases expire and disks fill up, and checks that nothing is lost or done twice; ROUNDS=200, SEED=n repeats a run
	@test/chaos/run $(ROUNDS)

bench: ## measures what the manual claims, side by side with the alternatives; LINES="accept copy" selects some
	@test/bench/run

bare: ## runs demo and test on minimal Debian installations; STATES="bookworm/* */server/dev" selects some, BARE_TESTS=0 runs demo only
	@test/bare/run

catalogue: ## copies the table of expected/catalogue.out, which TEST=catalogue makes, into src/manual/fields.md
	@awk 'NR == FNR { if (/^\| `/) rows = rows $$0 "\n"; next } /^<!-- end of catalogue/ { skip = 0 } \
	  !skip { print } /^<!-- catalogue/ { printf "\n| resource | becomes | is left out |\n| --- | --- | --- |\n%s\n", rows; skip = 1 }' \
	  expected/catalogue.out src/manual/fields.md > src/manual/fields.new
	@mv src/manual/fields.new src/manual/fields.md

pgspot: ## runs pgspot (PyPI) over the installation script
	@test/pgspot/run

fhir: ## validates an Observation of every shipped metric with HAPI's FHIR validator (Maven)
	@test/fhir/run

# Not part of `test`, because they take long or need a root of their own.
hostile: ## processes hostile bodies and shows the result, time and memory of each; ARGUMENTS='--more names/*'
	@test/hostile/run $(or $(ARGUMENTS),--table)

sanitize: ## runs regress, isolation, demo and hostile with the extension under AddressSanitizer and UBSan, in a Debian 13 root
	@test/sanitize/run

SECONDS ?= 60
sqlsmith: ## runs random SQL as each kind of role and checks for crashes and internal errors; SECONDS=600 sets how long
	@test/sqlsmith/run $(SECONDS)

asserts: ## runs regress, isolation, TAP and attacks on a server with assertions, built from Debian's source in a Debian 13 root
	@test/asserts/run
