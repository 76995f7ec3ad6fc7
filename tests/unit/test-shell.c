/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shell-run.h"
#include "tap.h"

#define LIMIT (32 * 1024 * 1024)

/* What a script was seen to do: a line for each command. */
typedef struct Log {
        char *text;
        size_t size;
        FILE *f;
        Script other; /* another script that is there */
} Log;

static void print(Log *log, const char *s) {
        for (; *s; s++)
                (void) fputs(*s == SHELL_UNKNOWN ? "…" : *s == SHELL_VM ? "VM" : (char[]) { *s, 0 }, log->f);
}

static void print_call(Log *log, const ShellCall *call) {
        (void) fprintf(log->f, "%u", call->line);
        if (call->condition > 0)
                (void) fprintf(log->f, "?%u", call->condition);
        if (call->is_user)
                (void) fputs(" (user)", log->f);
        for (size_t i = 0; i < call->n_words; i++) {
                (void) fputc(i > 0 ? '|' : ' ', log->f);
                print(log, call->words[i]);
        }
        for (char **o = call->outputs; o && *o; o++) {
                (void) fputs(" >", log->f);
                print(log, *o);
                (void) fputs(" <", log->f);
                print(log, call->text ?: "?");
        }
}

static int command(const ShellCall *call, ShellStatus *ret, void *userdata) {
        const char *name = call->words[0];
        bool is_echo = streq(name, "echo") || streq(name, "tee") || streq(name, "printf") || streq(name, "cat");

        if (streq(name, "ask")) {
                *ret = SHELL_MAYBE;
                return 1;
        }
        *ret = SHELL_EXPECTED;
        if (is_echo && !call->outputs)
                return 1;
        if (!is_echo && !startswith(name, "say") && !streq(name, "dirname") && !streq(name, "basename") &&
            !streq(name, "tr"))
                return 0;
        if (startswith(name, "say") || is_echo) {
                print_call(userdata, call);
                (void) fputc('\n', ((Log *) userdata)->f);
        }
        return 1;
}

static int problem(const ShellCall *call, _unused_ ShellProblem what, const char *reason, void *userdata) {
        Log *log = userdata;

        print_call(log, call);
        (void) fprintf(log->f, " ! %s\n", reason);
        return 0;
}

static int script(const char *name, bool source, const Script **ret, void *userdata) {
        Log *log = userdata;

        (void) source;
        *ret = &log->other;
        return log->other.tree && streq(name, log->other.name);
}

static int vm(const char *name, bool is_pattern, void *userdata) {
        (void) fprintf(((Log *) userdata)->f, "VM is %s%s\n", is_pattern ? "like " : "", name);
        return 0;
}

static ShellNode *parse(Arena *arena, const char *text, ShellSyntaxError *error) {
        ShellNode *tree = NULL;

        *error = (ShellSyntaxError) { 0 };
        return shell_parse(arena, text, 1, &tree, error) < 0 ? NULL : tree;
}

/* Returns the log of a script, which is freed by the next call. */
static const char *run_with(const char *text, const char *other, bool vm_is_other, char *const *arguments) {
        static char *last;
        _cleanup_arena_ Arena arena = { .limit = LIMIT };
        ShellSyntaxError error, unused;
        Log log = { 0 };
        Script main = { .name = "/hooks/main.sh", .text = text };
        const ShellCaller caller = { command, problem, script, vm, &log, vm_is_other };
        int r;

        free(last);
        last = NULL;
        log.f = open_memstream(&last, &log.size);
        if (other)
                log.other = (Script) { "/hooks/other.sh", other, parse(&arena, other, &unused) };
        main.tree = parse(&arena, text, &error);
        r = main.tree ? shell_run(&arena, &caller, &main, arguments) : -ENOMEM;
        if (error.problem)
                (void) fprintf(log.f, "line %u %s\n", error.line, error.problem);
        if (r < 0)
                (void) fprintf(log.f, "%s\n", strerror(-r));
        fclose(log.f);
        return last;
}

static const char *run(const char *text) {
        static const char *const arguments[] = { "win10", "prepare", "begin", NULL };

        return run_with(text, NULL, false, (char *const *) arguments);
}

static void test_quoting(void) {
        is(run("say a  b\tc"), "1 say|a|b|c\n");
        is(run("say 'a b' \"c d\" e\\ f"), "1 say|a b|c d|e f\n");
        is(run("say 'it'\\''s' \"a\\\"b\\$c\\\\d\" \"\\x\""), "1 say|it's|a\"b$c\\d|\\x\n");
        is(run("say $'a\\tb' $\"c\" '' \"\""), "1 say|a\tb|c||\n");
        is(run("say a#b # c"), "1 say|a#b\n");
        is(run("say a\\\nb \\\n c\nsay d"), "1 say|ab|c\n4 say|d\n");
        is(run("say 'a\nb' c\nsay d"), "1 say|a\nb|c\n3 say|d\n");
        is(run("say {a,b}c {1..3} {x} a,b {9..7}{a,b}"), "1 say|ac|bc|1|2|3|{x}|a,b|9a|9b|8a|8b|7a|7b\n");
        is(run("say '{a,b}' \"{1..3}\" \\{a,b}"), "1 say|{a,b}|{1..3}|{a,b}\n");
        is(run("say a;say b&say c"), "1 say|a\n1 say|b\n1 say|c\n");
}

static void test_variables(void) {
        is(run("A=x B='y z'\nsay $A \"$B\" $B ${A}w \"$A$B\""), "2 say|x|y z|y|z|xw|xy z\n");
        is(run("say $A \"${B}c\""), "1 say|…|…c\n");
        is(run("say $1 $2 $3 \"$4\" $# \"$@\" $*"),
           "1 say|win10|prepare|begin||3|win10|prepare|begin|win10|prepare|begin\n");
        is(run("say $0 $(dirname \"$0\")/x `basename $0`"), "1 say|/hooks/main.sh|/hooks/x|main.sh\n");
        is(run("say ${00} ${01} ${004}"), "1 say|/hooks/main.sh|win10\n");
        is(run("say $(ask) \"$(ask a)b\" $((1+2)) $(( (1) ))c"), "1 say|…|…b|…|…c\n");
        is(run("say $(echo a b) \"$(printf '%s-%s\\n' c d)\" $(echo $X)"), "1 say|a|b|c-d|…\n");
        is(run("say ${A:-x} ${1:-y} ${B-z} ${C:=w} $C ${1:+set} \"${D:+set}\""), "1 say|x|win10|z|w|w|set|\n");
        is(run("P=/a/b.c.d\nsay ${P##*/} ${P#*/} ${P%.*} ${P%%.*}"), "2 say|b.c.d|a/b.c.d|/a/b.c|/a/b\n");
        is(run("A=0000:01:00.0\nsay pci_${A//[:.]/_} ${A/:/-} ${A//\\./_} ${A//:/}"),
           "2 say|pci_0000_01_00_0|0000-01:00.0|0000:01:00_0|00000100.0\n");
        is(run("A=abc\nsay ${A:1:1} ${A^^} ${!A} ${#A}"), "2 say|…|…|…|…\n");
        is(run("A=(a 'b c')\nA+=(d)\nsay \"${A[@]}\" ${A[1]} $A \"${A[7]}\" ${A[$X]}"), "3 say|a|b c|d|b|c|a||…\n");
        is(run("A=($(ask))\nset -- $(ask)\n[ \"${A[1]}\" ] && say a\n[ \"$2\" ] && say b"),
           "3?3 say|a\n4?4 say|b\n");
        is(run("A=x; A+=y\nexport B=$A C\nlocal D=z\nsay $A $B $D"), "4 say|xy|xy|z\n");
        is(run("A=x\nread A\nsay $A"), "3 say|…\n");
        is(run("A=1\nlet A+=1\nB=2\n((B++))\nsay $A $B"), "5 say|…|…\n");
        is(run("A=x say $A; say $A"), "1 say|…\n1 say|…\n");
        is(run("f() { for i in \"$@\"; do say $i; done; say \"$@\" \"$1\"; }\nf"), "1 say|\n");
        is(run("say $(echo a.b:c | tr ':.' '#_') $(echo a | tr a-z A-Z) $(ask | tr a b)"), "1 say|a_b#c|…|…\n");
        is(run("A='*'\nsay $A *.c"), "2 say|*|*.c\n");
}

static void test_output(void) {
        is(run("echo 0 > /sys/a"), "1 echo|0 >/sys/a <0\n");
        is(run("echo 0 | tee /sys/a >/dev/null 2>&1"), "1 tee|/sys/a >/dev/null <0 >/sys/a <0\n");
        is(run("echo -n 0 | sudo tee -a /sys/a /sys/b"), "1 tee|-a|/sys/a|/sys/b >/sys/a <0 >/sys/b <0\n");
        is(run("printf '%s' vfio-pci >>/sys/a; printf \"%d\\n\" 1 1>/sys/b"),
           "1 printf|%s|vfio-pci >/sys/a <vfio-pci\n"
           "1 printf|%d\\n|1 >/sys/b <1\n\n");
        is(run("tee /sys/a <<< x"), "1 tee|/sys/a >/sys/a <x\n");
        is(run("A=1\ncat <<EOF >/sys/a\nb $A\nEOF\nsay c"), "2 cat >/sys/a <b 1\n\n5 say|c\n");
        is(run("cat >/sys/a <<-'E'\n\tb $A\n\tE\nsay c"), "1 cat >/sys/a <b $A\n\n4 say|c\n");
        is(run("say a 2>/dev/null <b &>c >|d"), "1 say|a >c <? >d <?\n");
        is(run("{ echo 1; echo 2; } >/sys/a"), "1 >/sys/a <? ! writes what several commands give\n");
        is(run("echo 1 2>/sys/a"), "");
        is(run("ask | tee /sys/a"), "1 tee|/sys/a >/sys/a <?\n");
        is(run("cd /sys/x; echo 1 >a; echo 1 | tee b; pushd /sys/y; echo 2 >c; popd; echo 3 >d; echo 4 >$X/e"),
           "1 echo|1 >/sys/x/a <1\n1 tee|b >/sys/x/b <1\n1 echo|2 >/sys/y/c <2\n1 echo|3 >/sys/x/d <3\n"
           "1 echo|4 >…/e <4\n");
        is(run("cd /sys; echo 1 >~/a; cd /opt; echo 2 >>b; cd -; echo 3 >c"),
           "1 echo|1 >~/a <1\n1 echo|2 >b <2\n1 echo|3 >c <3\n");
        is(run("A=$(ask $(echo x)); [ $A = x ] || say a"), "1?1 say|a\n");
}

static void test_conditions(void) {
        is(run("if [ \"$1\" = win10 ]; then say a; else say b; fi"), "1 say|a\n");
        is(run("if [[ $1 == win* && $2 != release ]]; then say a; fi"), "1 say|a\n");
        is(run("if [[ $1 == 'win*' ]]; then say a; else say b; fi"), "1 say|b\n");
        is(run("if [ \"$1\" = x -o \"$2\" = prepare -a -n \"$3\" ]; then say a; fi"), "1 say|a\n");
        is(run("if ! [ -z \"$1\" ]; then say a; fi\n[ ! \"$1\" = win10 ] || say b"), "1 say|a\n2 say|b\n");
        is(run("[ 3 -gt 2 ] && say a\n[ $# -ne 3 ] && say b\n[ $X -eq 1 ] && say c"), "1 say|a\n3?3 say|c\n");
        is(run("if test -e /x\nthen say a\nelif ask; then say b\nelse say c; fi\nsay d"),
           "2?1 say|a\n3?3 say|b\n4?3 say|c\n5 say|d\n");
        is(run("A=1\nif ask; then A=2; fi\nsay $A"), "3 say|…\n");
        is(run("A=1\nif ask; then A=1; say $A; fi\nsay $A"), "2?2 say|1\n3 say|1\n");
        is(run("A=1\nif ask; then A=2; else say $A; fi"), "2?2 say|1\n");
        is(run("say a && say b || say c"), "1 say|a\n1 say|b\n1?1 say|c\n");
        is(run("ask && say b || say c"), "1?1 say|b\n1?1 say|c\n");
        is(run("ask && [ $2 = release ] && say a; ask || [ $2 = prepare ] || say b\nif ask && false; then say c; "
               "fi"),
           "");
        is(run("true && say a; false && say b; false || say c; true || say d"), "1 say|a\n1 say|c\n");
        is(run("[ \"$1\" = win10 ] || exit 0\nsay a"), "2 say|a\n");
        is(run("[ \"$1\" = other ] || exit 0\nsay a"), "");
        is(run("ask || exit 0\nsay a"), "2 say|a\n");
        is(run("case $1/$2 in\nx) say a;;\nwin*/prepare | y) say b\n;;\n*) say c;;\nesac"), "3 say|b\n");
        is(run("case $X in (a) say a;; *) say b; esac; say c"), "1?1 say|a\n1?1 say|b\n1 say|c\n");
        is(run("case $1 in win10) say a;;& *) say b;; esac"), "1?1 say|a\n1?1 say|b\n");
        is(run("case $2 in [p-q]repare) say a;; esac\ncase $2 in [!p]*) say b;; esac"), "1 say|a\n");
        is(run("if [[ $1 =~ ^win[0-9]+(_a|b)$ ]]; then say a; fi"), "1?1 say|a\n");
}

static void test_loops(void) {
        is(run("for i in a b\ndo\nsay $i\ndone"), "3 say|a\n3 say|b\n");
        is(run("L='a b'\nfor i in $L \"c d\"; do say $i; done; say $i"), "2 say|a\n2 say|b\n2 say|c|d\n2 say|c|d\n");
        is(run("for i in {0..2}; do [ $i = 1 ] && continue; say $i; done"), "1 say|0\n1 say|2\n");
        is(run("for i in a b c; do say $i; [ $i = b ] && break; done"), "1 say|a\n1 say|b\n");
        is(run("for i; do say $i; done"), "1 say|win10\n1 say|prepare\n1 say|begin\n");
        is(run("for ((i = 0; i < 16; i++)); do say $i; done"), "1 say|…\n");
        is(run("A=1\nwhile ask; do say $A; A=2; done\nsay $A"), "2?2 say|1\n3 say|…\n");
        is(run("until ask; do say a; done\nwhile false; do say b; done\nwhile true; do say c; break; done\nsay d"),
           "1?1 say|a\n3 say|c\n4 say|d\n");
        is(run("ask | while read -r x; do say $x; done < /y"), "1?1 say|…\n");
        is(run("for i in $(ask); do say $i; done"), "1 say|…\n");
        is(run("for i in a b; { say $i; }\nfor ((;;)) {\nsay c\n}\nfor i in d\n{ say $i; }"),
           "1 say|a\n1 say|b\n3 say|c\n6 say|d\n");
        is(run("for i in a; { say $i; done"), "line 1 begins a loop without an end\n");
}

static void test_functions(void) {
        is(run("f() { say $1 $2; }\nf x\nf y z"), "1 say|x\n1 say|y|z\n");
        is(run("function stop-it {\nsay a\nreturn\nsay b\n}\nstop-it\nsay c"), "2 say|a\n7 say|c\n");
        is(run("f() ( A=2; say $A )\nA=1\nf\nsay $A"), "1 say|2\n4 say|1\n");
        is(run("f() { A=2; }\nf\nsay $A"), "3 say|2\n");
        is(run("A=1 B=3\nf() { local A=2 B; say $A $B; B=4; C=5; }\nf\nsay $A $B $C"), "2 say|2\n4 say|1|3|5\n");
        is(run("A=1\nf() { local A=2; say $A; }\nif ask; then f; B=x; fi\nsay $A$B"), "2?3 say|2\n4 say|1…\n");
        is(run("f() { declare -g A=2; }\nA=1\nf\nsay $A"), "4 say|2\n");
        is(run("f() { f; }\nf"), "Argument list too long\n");
        is(run("f() { exit; }\nf\nsay a"), "");
        is(run("say() { unknown; }\nsay a"), "1 unknown ! is a command that is not known here\n");
        is(run("f() { say a; }\nif ask; then f; fi"), "1?2 say|a\n");
        is(run("set -- p q\nsay $1\nshift\nsay $1 \"$2\""), "2 say|p\n4 say|q|\n");
}

static void test_others(void) {
        is(run("sudo -u anna say a; env X=1 say b; nohup say c; nice -n 5 say d; timeout -k 1 9 say e; exec say "
               "f\nsay g"),
           "1 (user) say|a\n1 say|b\n1 say|c\n1 say|d\n1 say|e\n1 say|f\n");
        is(run("su anna -c 'say a; say b'\nsu - anna -c \"say $1\"\nrunuser -u anna -- say c\nrunuser -l anna -c "
               "'say d'"),
           "1 (user) say|a\n1 (user) say|b\n2 (user) say|win10\n3 (user) say|c\n4 (user) say|d\n");
        is(run("bash -c 'A=2; say $A'\nsh -xc 'say b'\nsudo -s <<E\nsay c\nE\nbash <<< 'say d'"),
           "1 say|2\n2 say|b\n3 say|c\n6 say|d\n");
        is(run("A=1; bash -c 'A=2'; say $A"), "1 say|1\n");
        is(run("eval say a '\"b c\"'\neval \"$X\""), "1 say|a|b c\n2 eval|… ! runs a text that is not known\n");
        is(run("eval 'say ('"), "1 eval|say ( ! runs a text that is no script of the shell\n");
        is(run("command -v systemctl && say a"), "1?1 say|a\n");
        is(run("$X a; other.sh"),
           "1 …|a ! runs a command that is not known\n1 other.sh ! is a command that is not known here\n");
        is(run("trap 'say a' EXIT; set -ex; shopt -s x; cd /; umask 0"), "");
        is(run("say a | ask; ask | say b"), "1 say|a\n1 say|b\n");
        is(run("A=1; (A=2; say $A); ask | { A=3; }; say $A"), "1 say|2\n1 say|1\n");
}

static void test_scripts(void) {
        is(run_with(". /hooks/other.sh\nsay $A", "A=x\nreturn\nA=y", false, NULL), "2 say|x\n");
        is(run_with("source /no/such", NULL, false, NULL),
           "1 source|/no/such ! takes over settings from a file that cannot be read\n");
        is(run_with("A=x\n/hooks/other.sh a b\nsay $A", "say $0 $1 $2 $A\nA=y", false, NULL),
           "1 say|/hooks/other.sh|a|b|…\n3 say|x\n");
        is(run_with("bash /hooks/other.sh 2>&1 | tee /log", "say $#", false, NULL), "1 say|0\n1 tee|/log >/log <?\n");
        is(run_with("/hooks/other.sh", "exit", false, NULL), "");
        is(run_with("cd \"$(dirname \"$0\")\"; . ./other.sh; source other.sh; ./other.sh", "say a", false, NULL),
           "1 say|a\n1 say|a\n1 say|a\n");
        is(run_with("D=$(cd \"${0%/*}\" && pwd)\n$D/other.sh; ./other.sh", "say a", false, NULL),
           "1 say|a\n2 ./other.sh ! runs a file that is no script or cannot be read\n");
        is(run_with("(cd /hooks; ./other.sh); if ask; then cd /hooks; fi; ./other.sh; cd $X; ./other.sh", "say a",
                    false, NULL),
           "1 say|a\n1 ./other.sh ! runs a file that is no script or cannot be read\n"
           "1 ./other.sh ! runs a file that is no script or cannot be read\n");
        is(run("cd /a/b/..\nsay $(pwd)\ncd -P c/\nsay $(pwd)\ncd\nsay $(pwd) $(ask && pwd)"),
           "2 say|/a/b/..\n4 say|/a/b/../c/\n6 say|…|…\n");
        is(run("ask | xargs -r -n 1 say a; xargs"), "1 say|a|…\n");
        is(run("ask | xargs -I{} say a{} b; ask | xargs -0 -I X sh -c 'say X'; xargs -I"),
           "1 say|…|b\n1 sh|-c|… ! runs a text that is not known\n");
        is(run_with("/hooks/other.sh", "/hooks/other.sh a$1", false, NULL), "Argument list too long\n");
        is(run_with("/hooks/other.sh a", "[ $X ] || exec sudo \"$0\" \"$@\"\nbash $0 $1; say $1", false, NULL),
           "2 say|a\n");
        is(run_with("/hooks/other.sh a",
                    "ALL=(\"$@\")\nroot() { [ $X ] || exec sudo $0 \"${ALL[@]}\"; }\nroot; say $1", false, NULL),
           "3 say|a\n");
        is(run_with("/hooks/other.sh a", "call() { sudo $0 \"$@\"; }\ncase $1 in a) call b;; b) say c;; esac", false,
                    NULL),
           "2 say|c\n");
        is(run_with("if ask; then /hooks/other.sh; fi", "say a", false, NULL), "1?1 say|a\n");
}

static void test_wrappers(void) {
        is(run("su -c 'say a'; su - root -c 'say b'; sudo -u root say c; sudo -uanna say d; sudo --user anna say e"),
           "1 say|a\n1 say|b\n1 say|c\n1 (user) say|d\n1 (user) say|e\n");
        is(run("flock -n /run/l say a; flock 9 || exit; systemd-cat -t x say b; numactl -N 0 say c"),
           "1 say|a\n1 say|b\n1 say|c\n");
        is(run("flock -w 5 /run/l -c 'say a; say b'; flock /run/l --command 'say c'"), "1 say|a\n1 say|b\n1 say|c\n");
        is(run("echo say a | systemd-cat -t x; exec {lock}>/run/l; say b"), "1 say|b\n");
}

static void test_vms(void) {
        static const char name[] = { SHELL_VM, 0 };
        const char *const arguments[] = { name, "prepare", "begin", NULL };
        char *const *a = (char *const *) arguments;

        is(run_with("if [ \"$1\" = win10 ]; then say a; else say b; fi", NULL, false, a),
           "VM is win10\n1?1 say|a\n1?1 say|b\n");
        is(run_with("if [ \"$1\" = win10 ]; then say a; else say b; fi", NULL, true, a), "1 say|b\n");
        is(run_with("[[ $1 == win* ]] && say a\ncase $1 in *-gpu) say b; esac", NULL, false, a),
           "VM is like win*\n1?1 say|a\nVM is like *-gpu\n2?2 say|b\n");
        is(run_with("if [[ $1 =~ _gpu$ ]]; then say a; fi", NULL, false, a), "VM is like _gpu$\n1?1 say|a\n");
        is(run_with("[[ $1 == win* ]] && say a\n[[ $1 =~ _gpu$ ]] && say b", NULL, true, a), "");
        is(run_with("V=$1\n[[ my\\ vm == $V ]] && say a", NULL, false, a), "VM is my vm\n2?2 say|a\n");
        is(run_with(
                   "case \"$1/$2/$3\" in x/prepare/begin) say a;; y/release/*) say b;; z/release/end) say c; esac",
                   NULL, false, a),
           "VM is x\n1?1 say|a\nVM is like y/release/*\n1?1 say|b\n");
        is(run_with("case $1 in x|y) say a;; *) say b; esac", NULL, true, a), "1 say|b\n");
        is(run_with("for v in x y; do if [ $1 != $v ]; then continue; fi; say $v; done", NULL, false, a),
           "VM is x\n1 say|x\nVM is y\n1 say|y\n");
        is(run_with("say $1 /q/$1/x", NULL, false, a), "1 say|VM|/q/VM/x\n");
}

static void test_errors(void) {
        is(run("say a\nif x; then\nsay b"), "1 say|a\nline 2 begins an if without an end\n");
        is(run("say a\nsay 'b"), "1 say|a\nline 2 has a ' that is not closed\n");
        is(run("say a\nsay $(b"), "1 say|a\nline 2 has a $( that is not closed\n");
        is(run("say \"a\nb"), "line 1 has a \" that is not closed\n");
        is(run("say ${a"), "line 1 has a ${ that is not closed\n");
        is(run("say `a"), "line 1 has a ` that is not closed\n");
        is(run("say a )"), "1 say|a\nline 1 is no command of the shell\n");
        is(run("fi"), "line 1 is no command of the shell\n");
        is(run("for i in a; do say $i"), "line 1 begins a loop without an end\n");
        is(run("while x; fi"), "line 1 begins a loop without a do\n");
        is(run("case a in b) say c"), "line 1 begins a case without an end\n");
        is(run("select x in a; say b; done"), "line 1 is a part of the shell that is not read here\n");
        is(run("say a <<E\nb"), "1 say|a\n");
        is(run("f( a"), "line 1 is no command of the shell\n");
        is(run("[[ a == b"), "line 1 has a [[ that is not closed\n");
        is(run("a=(b"), "line 1 has a list that is not closed\n");
        is(run(">"), "line 1 redirects to nothing\n");
        is(run(""), "");
        is(run("\n# only this\n\n"), "");
}

static char *repeat(const char *s, size_t n) {
        char *text = malloc(strlen(s) * n + 1), *p = text;

        for (*p = 0; n > 0; n--)
                p = stpcpy(p, s);
        return text;
}

/* What grows without a limit, or never ends, ends here. */
static void test_limits(void) {
        static const struct {
                const char *piece;
                size_t n;
                const char *beginning; /* of what comes of it */
        } texts[] = {
                { "(", 5000, "line 1 is nested too deeply" },
                { "$(", 5000, "line 1 is nested too deeply" },
                { "if ", 5000, "line 1 is nested too deeply" },
                { "${a:-", 5000, "line 1 is nested too deeply" },
                { "$((", 5000, "line 1 is nested too deeply" },
                { "{ ", 5000, "line 1 is nested too deeply" },
                { "say x;", 25000, "1 say|x\n" },
                { "say <<E\n", 300, "1 say" },
                { "a[", 20000, "1 …" },
                { "\\`", 20000, "1 …" },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                _cleanup_free_ char *text = repeat(texts[i].piece, texts[i].n);

                ok(startswith(run(text), texts[i].beginning));
        }
        ok(strstr(run("for a in {1..200}; do for b in {1..200}; do for c in {1..200}; do :; done; done; done; say "
                      "x"),
                  "too long"));
        is(run("A=xxxxxxxxxxxxxxxx\nfor i in {1..200}; do A=$A$A; done\nsay $A"), "3 say|…\n");
        ok(strstr(run("A=x\nfor i in {1..2000}; do A+=(${A[@]} ${A[@]}); done\nsay b"), "say|b"));
        ok(strstr(run("A=(a a a a a a a a a a)\nfor i in {1..200}; do A=(${A[@]} ${A[@]}); done"), "too long"));
        ok(strstr(run("say {1..200}{1..200}"), "too long"));
        ok(strstr(run("say {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"), "say|a"));
        ok(strstr(run("eval 'eval \"eval $0\"'; f() { eval f; }; f"), "too long"));
}

int main(void) {
        test_quoting();
        test_variables();
        test_output();
        test_conditions();
        test_loops();
        test_functions();
        test_others();
        test_scripts();
        test_wrappers();
        test_vms();
        test_errors();
        test_limits();
        return tap_done();
}
