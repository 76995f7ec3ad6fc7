/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-command.h"

int command_adds(Recorder *recorder, const ShellCall *call, Action action, const char *object, const char *value) {
        int r = record_fact(recorder, call, action, object, value);

        return r < 0 ? r : 1;
}

int command_unknown(Recorder *recorder, const ShellCall *call, Unknown unknown, const char *reason) {
        int r = record_unknown(recorder, call, unknown, reason);

        return r < 0 ? r : 1;
}

int command_unknown_function(Recorder *recorder, const ShellCall *call, bool takes) {
        return takes ? command_unknown(recorder, call, UNKNOWN_TAKEN,
                                       "which function it takes is not known: see that Devices= has it") :
                       command_unknown(recorder, call, UNKNOWN_FUNCTION, "which function it is about is not known");
}

int command_leaves(Recorder *recorder, const ShellCall *call, const char *reason) {
        return command_unknown(recorder, call, UNKNOWN_OTHER, reason);
}

int command_needless(Recorder *recorder, const ShellCall *call, const char *reason) {
        return command_adds(recorder, call, ACTION_NEEDLESS, "", reason);
}

int command_beside(Recorder *recorder, const ShellCall *call, const char *reason) {
        return command_adds(recorder, call, ACTION_BESIDE, "", reason);
}

const char *command_operand(const ShellCall *call, size_t *i, const char *with_value) {
        bool options = true;

        for (; *i < call->n_words; (*i)++) {
                const char *word = call->words[*i];
                if (!options || *word != '-' || !word[1])
                        return call->words[(*i)++];
                options = !streq(word, "--");
                *i += with_value && shell_word_in(with_value, word);
        }
        return NULL;
}

bool command_has_option(const ShellCall *call, const char *option) {
        for (size_t i = 1; i < call->n_words; i++)
                if (streq(call->words[i], option))
                        return true;
        return false;
}

const char *command_option(const ShellCall *call, const char *letter, const char *name) {
        for (size_t i = 1; i < call->n_words; i++) {
                const char *word = call->words[i], *value = startswith(word, name);

                if (value && *value == '=')
                        return value + 1;
                if (streq(word, name) || streq(word, letter))
                        return i + 1 < call->n_words ? call->words[i + 1] : NULL;
                value = startswith(word, letter);
                if (value && word[1] != '-')
                        return value;
        }
        return NULL;
}
