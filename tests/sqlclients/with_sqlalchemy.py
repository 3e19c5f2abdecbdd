"""SQLAlchemy with sqlalchemy-redshift, over both drivers: reflection of tables, keys and views, and objects in and out."""

import datetime
import os
from decimal import Decimal

from door import authority, host, login, port

os.environ["SSL_CERT_FILE"] = authority

import sqlalchemy  # noqa: E402
from sqlalchemy import Column, DateTime, ForeignKeyConstraint, Integer, MetaData, Numeric, String, inspect, select  # noqa: E402
from sqlalchemy.orm import Session, declarative_base  # noqa: E402

Base = declarative_base()


class Maker(Base):
    __tablename__ = "makers"
    __table_args__ = {"schema": "models", "redshift_diststyle": "KEY", "redshift_distkey": "id", "redshift_sortkey": ("country", "id")}
    country = Column(String(2), primary_key=True)
    id = Column(Integer, primary_key=True, autoincrement=False)
    name = Column(String(40), unique=True, comment="as on the label")


class Good(Base):
    __tablename__ = "goods"
    __table_args__ = (ForeignKeyConstraint(["origin", "maker"], ["models.makers.country", "models.makers.id"]), {"schema": "models"})
    id = Column(Integer, primary_key=True, autoincrement=False)
    origin = Column(String(2))
    maker = Column(Integer)
    price = Column(Numeric(9, 2))
    since = Column(DateTime(timezone=True))


admin = login()
for driver, options in [
    ("psycopg2", {"sslmode": "verify-full", "sslrootcert": authority}),
    ("redshift_connector", {"sslmode": "verify-full"}),
]:
    url = sqlalchemy.URL.create(f"redshift+{driver}", admin["user"], admin["password"], host, int(port), "dev")
    engine = sqlalchemy.create_engine(url, connect_args=options)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("drop schema if exists models cascade"))
        connection.execute(sqlalchemy.text("create schema models"))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("create view models.cheap as select id, price from models.goods where price < 10"))
        connection.execute(sqlalchemy.text("create view models.late as select id from models.goods with no schema binding"))

    # What is there, as tools find it out.
    found = inspect(engine)
    assert "models" in found.get_schema_names() and found.default_schema_name == "public"
    assert sorted(found.get_table_names("models")) == ["goods", "makers"]
    assert sorted(found.get_view_names("models")) == ["cheap", "late"]
    assert found.has_table("makers", "models") and not found.has_table("nothing", "models")
    columns = {column["name"]: column for column in found.get_columns("makers", "models")}
    assert list(columns) == ["country", "id", "name"], columns
    assert columns["name"]["type"].length == 40 and columns["name"]["comment"] == "as on the label", columns
    assert columns["name"]["nullable"] and not columns["id"]["nullable"], columns
    assert {column["name"]: str(column["type"]) for column in found.get_columns("late", "models")} == {"id": "INTEGER"}
    key = found.get_pk_constraint("makers", "models")
    assert key == {"constrained_columns": ["country", "id"], "name": "makers_pkey"}, key
    (foreign,) = found.get_foreign_keys("goods", "models")
    assert foreign["constrained_columns"] == ["origin", "maker"] and foreign["referred_columns"] == ["country", "id"], foreign
    assert (foreign["referred_schema"], foreign["referred_table"]) == ("models", "makers"), foreign
    assert [unique["column_names"] for unique in found.get_unique_constraints("makers", "models")] == [["name"]]
    physical = found.get_table_options("makers", "models")
    assert (physical["redshift_diststyle"], physical["redshift_distkey"]) == ("KEY", "id"), physical
    assert physical["redshift_sortkey"] == ("country", "id"), physical
    assert "where price < 10" in str(found.get_view_definition("cheap", "models"))
    reflected = MetaData()
    reflected.reflect(engine, schema="models", views=True)
    goods = reflected.tables["models.goods"]
    assert [column.name for column in goods.primary_key] == ["id"]
    assert {key.target_fullname for key in goods.foreign_keys} == {"models.makers.country", "models.makers.id"}

    # Objects in, changed, and out.
    since = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
    with Session(engine) as session:
        session.add(Maker(country="PL", id=1, name="Łódź & sons"))
        session.flush()
        session.add_all([Good(id=number, origin="PL", maker=1, price=Decimal("1.50") * number, since=since) for number in range(1, 11)])
        session.commit()
        dear = session.scalars(select(Good).where(Good.price > 10).order_by(Good.id)).all()
        assert [(good.id, good.price, good.since) for good in dear] == [(number, Decimal("1.50") * number, since) for number in range(7, 11)]
        dear[0].price = None
        session.delete(dear[1])
        session.commit()
        joined = select(Maker.name, sqlalchemy.func.count(), sqlalchemy.func.sum(Good.price)).join(Good, (Good.maker == Maker.id) & (Good.origin == Maker.country))
        assert session.execute(joined.group_by(Maker.name)).all() == [("Łódź & sons", 9, Decimal("60.00"))]
        try:
            session.execute(sqlalchemy.text("select * from models.nothing"))
        except sqlalchemy.exc.ProgrammingError as error:
            assert "does not exist" in str(error), error
        else:
            raise AssertionError("a table that is not there was read")
        session.rollback()
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("drop schema models cascade"))
    engine.dispose()
print("ok")
