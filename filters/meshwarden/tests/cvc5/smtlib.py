#!/usr/bin/env python3
"""cvc5 as a program that reads SMT-LIB, of the library that PyPI has."""

import sys

import cvc5

# Per question, as `meshwarden` asks the program itself for.
MILLISECONDS = "60000"


class Session:
    def __init__(self):
        self.solver = cvc5.Solver(cvc5.TermManager())
        self.solver.setOption("tlimit-per", MILLISECONDS)
        self.symbols = cvc5.SymbolManager(self.solver)

    def answer(self, text):
        parser = cvc5.InputParser(self.solver, self.symbols)
        parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "stdin")
        while True:
            command = parser.nextCommand()
            if command.isNull():
                return
            said = command.invoke(self.solver, self.symbols)
            if said:
                print(said, end="" if said.endswith("\n") else "\n", flush=True)


def commands(lines):
    """Whole commands: what is in parentheses, where those in texts, quoted symbols and comments don't count."""
    text, depth, quote = "", 0, None
    for line in lines:
        for char in line:
            if quote is not None:
                quote = None if char == quote else quote
            elif char == ";":
                break
            elif char in '"|':
                quote = char
            elif char in "()":
                depth += 1 if char == "(" else -1
            text += char
        if depth == 0 and quote is None and text.strip():
            yield text
            text = ""
        elif not text.endswith("\n"):
            text += "\n"


session = Session()
for command in commands(iter(sys.stdin.readline, "")):
    if command.strip() == "(reset)":
        session = Session()
        continue
    try:
        session.answer(command)
    except RuntimeError as error:
        print('(error "' + str(error).replace('"', '""') + '")', flush=True)
