/* Windows's findstr, as far as launchers use it: `findstr [/b] /l /c:TEXT [FILE]`. Wine before version 8.12 has one
 * that finds nothing. As the one of Windows, it ends lines at a line feed and knows no other text than bytes. */
#include <stdio.h>
#include <string.h>

int main(int count, char **words)
{
    int at_begin = 0;
    const char *text = NULL, *file = NULL;
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "/b") == 0)
            at_begin = 1;
        else if (strncmp(words[i], "/c:", 3) == 0)
            text = words[i] + 3;
        else if (words[i][0] != '/')
            file = words[i];
    }
    FILE *input = file ? fopen(file, "rb") : stdin;
    if (!text || !input)
        return 2;
    static char line[1 << 16];
    int found = 0;
    while (fgets(line, sizeof line, input)) {
        const char *at = strstr(line, text);
        if (at && (!at_begin || at == line)) {
            fputs(line, stdout);
            found = 1;
        }
    }
    return !found;
}
