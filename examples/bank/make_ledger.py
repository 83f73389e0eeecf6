#!/usr/bin/env python3
"""Writes ledger.txt. It is committed; run this only to change its shape: make_ledger.py >ledger.txt

What the proof needs of a ledger: whatever the order in which accounts act, the same transfers are paid and the same
are refused. So nobody pays more in all than he opened with, and every overdraft asks for more than all the money there is.
"""
import random

ACCOUNTS = 240
QUIET = 8  # the last accounts neither pay nor are paid: after a crash they have to be what they were
TRANSFERS = 5600
OVERDRAFTS = 45
SHOP = 7  # one account that everybody pays, so that credits meet there
NAMES = ("Ada Alan Barbara Bjarne Brian Carol Claude Dana Dennis Donald Edgar Edsger Elena Frances Fred Grace Hedy "
         "Ivan Jean Joe Johanna John Karen Katherine Ken Kristen Larry Leslie Lynn Margaret Mary Maurice Niklaus "
         "Peter Radia Rob Robin Rosa Shafi Sophie Tim Tony Ursula Vera Whit Wil Xenia Yukihiro Zoe").split()
# Before the transfer of that number: a line that is none.
MALFORMED = {
    300: "transfer 300 17 23 12.50",
    911: "transfer 911 17",
    1500: "tranfer 1500 17 23 1250",
    2222: "transfer 2222 17 9999 1250",
    3003: "transfer 17 17 23 1250",
    4100: "transfer 4100 23 23 1250",
    5050: "transfer 5050 23 17 -1250",
}


def main():
    rng = random.Random(20260)
    print("# The ledger of the bank example: who opens an account, and who pays whom how much, in cents.")
    print("#   open ACCOUNT OWNER CENTS")
    print("#   transfer ID FROM TO CENTS")
    print("# Some transfers are overdrafts and have to be refused; some lines are malformed and have to be skipped.")
    money = {}
    for account in range(1, ACCOUNTS + 1):
        money[account] = rng.randrange(100_000, 5_000_000)
        owner = f"{NAMES[account % len(NAMES)]}.{chr(65 + account // len(NAMES))}"
        print(f"open {account} {owner} {money[account]}")
    total = sum(money.values())
    left = dict(money)
    overdrafts = set(rng.sample(range(1, TRANSFERS + 1), OVERDRAFTS))
    for number in range(1, TRANSFERS + 1):
        payer = rng.randrange(1, ACCOUNTS - QUIET + 1)
        payee = SHOP if rng.random() < 0.1 else rng.randrange(1, ACCOUNTS - QUIET + 1)
        while payee == payer:
            payee = rng.randrange(1, ACCOUNTS - QUIET + 1)
        if number in overdrafts:
            cents = total + rng.randrange(1, total)
        else:
            cents = rng.randrange(1, max(2, min(left[payer], money[payer] // 20)))
            left[payer] -= cents
            assert left[payer] >= 0
        if number in MALFORMED:
            print(MALFORMED[number])
        print(f"transfer {number} {payer} {payee} {cents}")


main()
