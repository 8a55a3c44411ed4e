/* A Julia for launchers to start: says which version it is, or what it was started with, a word a line. */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

int main(void)
{
    int count;
    wchar_t **words = CommandLineToArgvW(GetCommandLineW(), &count);
    /* As libuv writes: no carriage returns. */
    _setmode(1, _O_BINARY);
    if (count == 2 && wcscmp(words[1], L"--version") == 0) {
        puts("julia version 1.10.6");
        return 0;
    }
    for (int i = 1; i < count; i++) {
        char word[4096];
        WideCharToMultiByte(CP_UTF8, 0, words[i], -1, word, sizeof word, NULL, NULL);
        printf("[%s]\n", word);
    }
    return 7;
}
