"""The benchmark's tables with every value from Faker. Prints bytes and CPU seconds, without the start."""

import csv
import io
import sys
import time

from faker import Faker

fake = Faker("en_US")
Faker.seed(42)


def transaction(number, rows):
    return (
        number,
        fake.random_int(1, rows),
        fake.random_int(1, 1827),
        fake.random_int(1, 4),
        fake.random_int(1, 5000),
        fake.random_element(("USD", "EUR", "JPY")),
        fake.random_element(("Online", "Mobile App", "In-Store", "ATM", "Telephone")),
        fake.pydecimal(left_digits=5, right_digits=2, positive=True),
        fake.date_time_between("-5y"),
        fake.random_element(("Completed", "Pending", "Failed")),
        fake.uuid4(),
        " ".join(fake.words(3)) if fake.boolean(40) else "",
    )


def customer(number, rows):
    return (
        number,
        fake.first_name(),
        fake.last_name(),
        fake.email(),
        fake.phone_number(),
        fake.date_of_birth(),
        fake.street_address(),
        fake.city(),
        fake.state_abbr(),
        fake.zipcode(),
        "US",
        fake.date_time_between("-10y"),
    )


def main():
    row = {"transactions": transaction, "customers": customer}[sys.argv[1]]
    rows = int(sys.argv[2])
    started = time.process_time()
    out = io.StringIO()
    writer = csv.writer(out)
    for number in range(1, rows + 1):
        writer.writerow(row(number, rows))
    print(len(out.getvalue().encode()), time.process_time() - started)


main()
