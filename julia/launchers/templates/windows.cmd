@echo off
rem Starts Julia on a sysimage. When the image is gone, or it and Julia no longer fit, says so and
rem starts Julia without it.
setlocal EnableExtensions DisableDelayedExpansion
@CODE_PAGE@
set "julia=@JULIA@"
set "image=@SYSIMAGE@"
set "version=@VERSION@"
set "commit=@COMMIT@"
set "commit_file=@COMMIT_FILE@"
rem Not one that lies in the working folder, where cmd looks first.
set "findstr=%SystemRoot%\System32\findstr.exe"

if not exist "%julia%" goto no_julia
if not exist "%image%" goto no_image
if "%commit%"=="" goto ask_version
"%findstr%" /l /c:"%commit%" "%commit_file%" >nul 2>nul
if errorlevel 1 goto other_build
goto look_at_stamp

:ask_version
rem Without /x: findstr knows the end of a line by its carriage return, and Julia writes none.
"%julia%" --version | "%findstr%" /b /l /c:"julia version %version%" >nul
if errorlevel 1 goto other_build

:look_at_stamp
if not exist "%image%.json" goto start
"%findstr%" /l /c:"\"julia_version\":\"%version%\"" "%image%.json" >nul 2>nul
if errorlevel 1 goto other_image

:start
"%julia%" "--sysimage=%image%" @OPTIONS@%*
exit /b %errorlevel%

:no_julia
echo @NAME@: Julia %version% is gone ("%julia%"); starting Julia without the sysimage 1>&2
julia.exe @OPTIONS@%*
exit /b %errorlevel%

:no_image
echo @NAME@: the sysimage "%image%" is gone; starting Julia without it 1>&2
goto plain

:other_build
echo @NAME@: "%julia%" is no longer the Julia %version% that the sysimage was made for 1>&2
goto plain

:other_image
echo @NAME@: the sysimage "%image%" was built by another Julia than %version%; starting Julia without it 1>&2

:plain
"%julia%" @OPTIONS@%*
exit /b %errorlevel%

@MARKER@
