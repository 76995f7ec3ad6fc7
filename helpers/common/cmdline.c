/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cmdline.h"
#include "root.h"
#include "strv.h"

#define CMDLINE_MAX 65536

bool cmdline_has(const char *beginning) {
        _cleanup_free_ char *path = root_path("/proc/cmdline"), *text = NULL;
        _cleanup_strv_free_ char **words = NULL;

        if (!path || read_text_file(path, CMDLINE_MAX, &text) < 0 || strv_split(text, " \t\n", &words) < 0)
                return false;
        STRV_FOREACH(word, words)
                if (startswith(*word, beginning))
                        return true;
        return false;
}
