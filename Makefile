# Posthouse: one Makefile for the whole house (GNU make).
#
#   make            build everything into build/
#   make run        set up what is missing and watch a message go through
#   make test       set up what is missing and run every suite
#   make check      the suites that need no network, root or installation
#   make check-unit  the tests in C alone; minutes
#   make deb        Debian packages into build-deb
#   make test-deb   builds them twice, installs them in a Debian of their own,
#                   upgrades and removes them (root, Debian's mirror)
#   make install    into $(DESTDIR)$(PREFIX) and the FHS directories below
#   make lint       format, static checks, layers, manual pages
#   make fuzz       run every fuzz target for FUZZ_SECONDS
#   make torture    the store's tests with other random seeds, for
#                   TORTURE_SECONDS; what fails says the SEED that repeats it
#   make crash      each daemon killed at each step of a message, ten times
#                   during CRASH_MESSAGES messages, and each call failing
#   make bench-store  what accounts and deliveries cost, as they grow
#   make bench-trace  a day of TRACE_MESSAGES, and how quickly it is searched
#   SAN=1           with any of these: AddressSanitizer and UBSan
#
# Objects stand in build/ (build-san/ with SAN=1), never beside the sources.

VERSION    := 0.1.0

CC         ?= cc
PKG_CONFIG ?= pkg-config
PREFIX     ?= /usr
SYSCONFDIR ?= /etc
LOCALSTATEDIR ?= /var
RUNDIR     ?= /run
SBINDIR    ?= $(PREFIX)/sbin
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/lib
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/posthouse
UNITDIR    ?= $(PREFIX)/lib/systemd/system
PYTHON     ?= /usr/bin/python3

O          := $(if $(SAN),build-san,build)

# What a distribution's build machine needs, by pkg-config name; Berkeley DB and
# libunistring have none.
PACKAGES   := openssl libcares libpcre2-8 libpsl libevent_core libgsasl libcrypt \
              libidn2 libxxhash libseccomp libzstd expat libcjson libzip zlib
ifeq ($(WITHOUT_BDB),)
DB_LIBS    := -ldb
endif

WARNINGS   := -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
              -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
HARDENING  := -fstack-protector-strong -fPIE
ifeq ($(SAN),)
CFLAGS     ?= -O2 -g
HARDENING  += $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-D_FORTIFY_SOURCE=2)
else
CFLAGS     ?= -O1 -g
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
              -fno-omit-frame-pointer
endif
ALL_CPPFLAGS = -D_GNU_SOURCE -DPOSTHOUSE_VERSION='"$(VERSION)"' -Ilib -I. \
               -DPOSTHOUSE_SYSCONFDIR='"$(SYSCONFDIR)/posthouse"' \
               -DPOSTHOUSE_LIBEXECDIR='"$(LIBEXECDIR)/posthouse"' \
               -DPOSTHOUSE_STATEDIR='"$(LOCALSTATEDIR)"' \
               -DPOSTHOUSE_RUNDIR='"$(RUNDIR)/posthouse"' \
               $(if $(WITHOUT_BDB),-DWITHOUT_BDB) \
               $(PKG_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS   = -std=c11 $(WARNINGS) $(if $(CI),-Werror) $(HARDENING) \
               $(SANITIZERS) $(CFLAGS)
ALL_LDFLAGS  = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SANITIZERS) $(LDFLAGS)

# Only asked when something is built, so that `make run` works on a machine
# that has no compiler yet.
PKG_CFLAGS   = $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS     = $(eval PKG_LIBS := $$(shell $(PKG_CONFIG) --libs $(PACKAGES)))$(PKG_LIBS)
LIBS         = $(PKG_LIBS) $(DB_LIBS) -lunistring -lresolv -lpthread $(LDLIBS)

LAYERS     := core mail conf net ipc mailauth report queue store daemon
DAEMONS    := master logd lookup auth policyd screen smtpd cleanup qmgr smtp local \
              bounce login imapd pop3d keeper pickup exporter reportd feedback
COMMANDS   := posthouse sendmail postdrop

LIB_SRC    := $(filter-out %_test.c %_fuzz.c,$(wildcard $(LAYERS:%=lib/%/*.c)))
LIB_OBJ    := $(LIB_SRC:%.c=$(O)/%.o)
LIB        := $(O)/libposthouse.a
PROGRAMS   := $(DAEMONS) $(COMMANDS)
BINARIES   := $(PROGRAMS:%=$(O)/bin/%)
TEST_SRC   := $(wildcard $(LAYERS:%=lib/%/*_test.c) $(PROGRAMS:%=%/*_test.c))
TESTS      := $(TEST_SRC:%.c=$(O)/%)
FUZZ_SRC   := $(wildcard $(LAYERS:%=lib/%/*_fuzz.c) $(PROGRAMS:%=%/*_fuzz.c))
REPLAYS    := $(FUZZ_SRC:%.c=$(O)/%)
FUZZERS    := $(FUZZ_SRC:%.c=build-fuzz/%)

program_src = $(filter-out %_test.c %_fuzz.c,$(wildcard $(1)/*.c))
program_obj = $(patsubst %.c,$(O)/%.o,$(call program_src,$(1))) \
              $(if $(filter posthouse,$(1)),$(O)/posthouse/master_cf.o)
# What the tests of a daemon's pure parts link: all of it but main.o.
parts_obj   = $(filter-out $(O)/$(1)/main.o,$(call program_obj,$(1)))

# The registry of parameters (lib/conf/registry.h): every *_conf.c of lib/ and
# the daemons, X_conf.c defining X_params. Only these programs and tests link
# the tables of all daemons.
CONF_SRC   := $(wildcard $(LAYERS:%=lib/%/*_conf.c) $(DAEMONS:%=%/*_conf.c))
REGISTRY   := $(O)/libregistry.a
registry_of = $(if $(filter master posthouse sendmail master/% posthouse/% sendmail/% \
              lib/conf/check_%,$(1)),$(REGISTRY) $(LIB))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all run test check check-unit unit integration install deb test-deb lint \
        fuzz fuzz-replay torture crash seeded memory bench-store bench-mailauth bench-trace \
        clean setup FORCE

all: $(BINARIES)

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $<";) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	$(if $(V),,@) rm -f $@.$$$$ && ar rcs $@.$$$$ $^ && mv $@.$$$$ $@

$(O)/registry.c: FORCE
	@mkdir -p $(@D)
	@{ printf '#include "conf/registry.h"\n'; \
	 for f in $(CONF_SRC); do n=$${f##*/}; \
	  printf 'extern const struct conf_param %s_params[];\n' "$${n%_conf.c}"; \
	 done; \
	 printf 'const struct conf_table conf_registry[] = {\n'; \
	 for f in $(CONF_SRC); do n=$${f##*/}; n=$${n%_conf.c}; \
	  printf '\t{"%s", %s_params},\n' "$$n" "$$n"; \
	 done; \
	 printf '\t{NULL, NULL},\n};\n'; } > $@.$$$$; \
	 cmp -s $@.$$$$ $@ && rm -f $@.$$$$ || mv $@.$$$$ $@

# The default master.cf as lines of C, for `posthouse init`.
$(O)/posthouse/master_cf.c: conf/master.cf
	@mkdir -p $(@D)
	@{ printf '#include "posthouse/init.h"\n'; \
	 printf 'const char *const master_cf_lines[] = {\n'; \
	 sed -e 's/[\\"]/\\&/g' -e 's/\t/\\t/g' -e 's/.*/\t"&",/' $<; \
	 printf '\tNULL,\n};\n'; } > $@

$(O)/registry.o $(O)/posthouse/master_cf.o: %.o: %.c
	$(if $(V),,@echo "  CC    $<";) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(REGISTRY): $(O)/registry.o $(patsubst %.c,$(O)/%.o,$(filter-out lib/%,$(CONF_SRC)))
	$(if $(V),,@) rm -f $@.$$$$ && ar rcs $@.$$$$ $^ && mv $@.$$$$ $@

define program_rule
$(O)/bin/$(1): $$(call program_obj,$(1)) $(LIB) $$(call registry_of,$(1))
	@mkdir -p $$(@D)
	$$(if $$(V),,@echo "  LINK  $(1)";) $$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$+ $$(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rule,$(p))))

# A test beside the code it tests: in lib it links the library, in a daemon's
# directory the daemon's other objects too.
define test_rule
$(O)/$(1): $(O)/$(1).o $(if $(filter lib/%,$(1)),,$(call parts_obj,$(firstword $(subst /, ,$(1))))) $(LIB) $(call registry_of,$(1))
	$$(if $$(V),,@echo "  LINK  $(1)";) $$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$+ -lcmocka $$(LIBS)
endef
$(foreach t,$(TEST_SRC:%.c=%),$(eval $(call test_rule,$(t))))

# Without libFuzzer a fuzz target replays the corpus below tests/corpus.
define replay_rule
$(O)/$(1): $(O)/$(1).o $(O)/tests/fuzz_replay.o $(if $(filter lib/%,$(1)),,$(call parts_obj,$(firstword $(subst /, ,$(1))))) $(LIB) $(call registry_of,$(1))
	$$(if $$(V),,@echo "  LINK  $(1)";) $$(CC) $$(ALL_CFLAGS) $$(ALL_LDFLAGS) -o $$@ $$+ $$(LIBS)
build-fuzz/$(1): $(1:%=build-fuzz/%.o) $(if $(filter lib/%,$(1)),,$(patsubst %.c,build-fuzz/%.o,$(filter-out %/main.c,$(call program_src,$(firstword $(subst /, ,$(1))))))) $(if $(filter posthouse/%,$(1)),$(O)/posthouse/master_cf.o) build-fuzz/lib.a
	@echo "  FUZZ  $(1)"; clang -fsanitize=fuzzer,address,undefined -o $$@ $$^ $$(LIBS)
endef
$(foreach t,$(FUZZ_SRC:%.c=%),$(eval $(call replay_rule,$(t))))

# The test of the tests: lib/store once more, with the bugs of store/seeded.h
# in it; it stands before the library, of whose lib/store nothing is taken then.
STORE_TESTS := $(patsubst lib/store/%.c,%,$(wildcard lib/store/*_test.c))
SEEDED_OBJ  := $(patsubst lib/store/%.c,$(O)/seeded/%.o,$(filter lib/store/%,$(LIB_SRC))) \
               $(O)/tests/seeded_bug.o
SEEDED      := $(STORE_TESTS:%=$(O)/seeded/%)
$(O)/seeded/%.o: lib/store/%.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC    $< (seeded)";) $(CC) $(ALL_CPPFLAGS) -DSEEDED_BUGS $(ALL_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/tests/seeded_bug.o: ALL_CPPFLAGS += -DSEEDED_BUGS
$(O)/seeded/lib.a: $(SEEDED_OBJ)
	$(if $(V),,@) rm -f $@.$$$$ && ar rcs $@.$$$$ $^ && mv $@.$$$$ $@
$(SEEDED): $(O)/seeded/%: $(O)/lib/store/%.o $(O)/seeded/lib.a $(LIB)
	$(if $(V),,@echo "  LINK  $* (seeded)";) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# The tests that know no engine, with another one: tests/engine_memory.c.
MEMORY := $(if $(wildcard tests/engine_memory.c),$(O)/memory/store_test $(O)/memory/model_test)
$(O)/memory/%: $(O)/lib/store/%.o $(O)/tests/engine_memory.o $(LIB)
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK  $* (memory)";) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

# Tries from inside of each jail what it forbids; never installed.
$(O)/tests/probe: $(O)/tests/probe.o $(LIB)
	$(if $(V),,@echo "  LINK  probe";) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# What compares lib/mailauth with others' implementations and suites.
MAILAUTH_TOOLS := $(addprefix $(O)/tests/,spf_suite mailauth_tool dns_tool)
$(MAILAUTH_TOOLS): $(O)/tests/%: $(O)/tests/%.o $(LIB)
	$(if $(V),,@echo "  LINK  $*";) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# How the store behaves at size; never part of a suite.
$(O)/tests/bench/mailauth_cost: $(O)/tests/bench/mailauth_cost.o $(LIB)
	$(if $(V),,@echo "  LINK  mailauth_cost";) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(O)/tests/bench/store_scale: $(O)/tests/bench/store_scale.o $(LIB)
	$(if $(V),,@echo "  LINK  store_scale";) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(O)/tests/bench/trace_day: $(O)/tests/bench/trace_day.o $(filter-out $(O)/logd/main.o,$(call program_obj,logd)) $(LIB)
	$(if $(V),,@echo "  LINK  trace_day";) $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# For libFuzzer everything is compiled once more, by clang.
FUZZ_CFLAGS = -std=c11 -O1 -g -fsanitize=fuzzer-no-link,address,undefined
build-fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CLANG $<"; clang $(ALL_CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<
build-fuzz/registry.o: $(O)/registry.c
	@mkdir -p $(@D)
	@clang $(ALL_CPPFLAGS) $(FUZZ_CFLAGS) -c -o $@ $<
build-fuzz/lib.a: $(LIB_SRC:%.c=build-fuzz/%.o) build-fuzz/registry.o $(patsubst %.c,build-fuzz/%.o,$(filter-out lib/%,$(CONF_SRC)))
	@rm -f $@.$$$$ && ar rcs $@.$$$$ $^ && mv $@.$$$$ $@
-include $(shell find build-fuzz -name '*.d' 2>/dev/null)

-include $(shell find $(O) -name '*.d' 2>/dev/null)

# ---- suites ---------------------------------------------------------------

# Installs the packages of conf/packages.debian that are missing (apt, root).
setup:
	@sh tests/setup

run:
	@GROUPS_WANTED="build run" sh tests/setup
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/tour.py

test: setup
	@$(MAKE) --no-print-directory all
	@sh tests/suite all

check:
	@$(MAKE) --no-print-directory all
	@sh tests/suite check

check-unit:
	@$(MAKE) --no-print-directory all
	@sh tests/suite unit

unit: $(TESTS) $(O)/tests/probe $(MAILAUTH_TOOLS)
fuzz-replay: $(REPLAYS)
seeded: $(SEEDED)
memory: $(MEMORY)

TORTURE_SECONDS ?= 600
torture: $(filter $(O)/lib/store/%,$(TESTS))
	@sh tests/torture $(TORTURE_SECONDS) $(O)

CRASH_MESSAGES ?= 5000
crash: all
	@POSTHOUSE_BUILD=$(CURDIR)/$(O) CRASH_MESSAGES=$(CRASH_MESSAGES) \
	    CRASH_KILLS=10 CRASH_STEPS=0 FAULT_STEPS=0 $(PYTHON) -m pytest -s \
	    tests/test_crash.py tests/test_faults.py

bench-store: $(O)/tests/bench/store_scale
	@$< accounts 2000
	@$< large 200000 200 nosync
	@$< large 200000 1 nosync

bench-mailauth: $(O)/tests/bench/mailauth_cost
	@$<

# A day of five million messages takes some minutes and 8 GB.
TRACE_MESSAGES ?= 500000
bench-trace: all $(O)/tests/bench/trace_day
	@POSTHOUSE_BUILD=$(CURDIR)/$(O) $(PYTHON) tests/bench/trace.py $(TRACE_MESSAGES)

FUZZ_SECONDS ?= 60
fuzz: $(FUZZERS)
	@sh tests/fuzz $(FUZZ_SECONDS) $(FUZZERS)

lint:
	@sh tests/lint

install: all
	@DESTDIR="$(DESTDIR)" SBINDIR="$(SBINDIR)" BINDIR="$(BINDIR)" \
	 LIBEXECDIR="$(LIBEXECDIR)" MANDIR="$(MANDIR)" DOCDIR="$(DOCDIR)" \
	 SYSCONFDIR="$(SYSCONFDIR)" LOCALSTATEDIR="$(LOCALSTATEDIR)" \
	 UNITDIR="$(UNITDIR)" LIBDIR="$(PREFIX)/lib" \
	 WITHOUT_SYSTEMD="$(WITHOUT_SYSTEMD)" \
	 DAEMONS="$(DAEMONS)" COMMANDS="$(COMMANDS)" BIN="$(O)/bin" \
	 sh conf/install.sh

deb:
	@GROUPS_WANTED="build package" sh tests/setup
	@sh debian/make-packages build-deb

test-deb:
	@GROUPS_WANTED="build test package" sh tests/setup
	@sh tests/deb/run

clean:
	rm -rf build build-san build-fuzz build-deb
