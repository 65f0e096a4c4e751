# Two stages: the first installs what the lock names, the second runs it as a user of its own.
FROM python:3.11-slim AS build
WORKDIR /srv/rapport
RUN python -m venv /opt/rapport
COPY requirements.lock ./
RUN /opt/rapport/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
COPY . .
RUN /opt/rapport/bin/pip install --no-deps --no-build-isolation --no-index --editable . \
    && /opt/rapport/bin/python -m compileall -q app

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/rapport --create-home rapport
COPY --from=build /opt/rapport /opt/rapport
COPY --from=build /srv/rapport /srv/rapport
WORKDIR /srv/rapport
ENV PATH=/opt/rapport/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RAPPORT_DATA_DIR=/var/lib/rapport \
    RAPPORT_HOST=0.0.0.0 \
    PORT=8000
USER rapport
VOLUME /var/lib/rapport
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/ready', timeout=2)"]
# The schema is the owner's: run `rapport migrate` with RAPPORT_MIGRATION_URL, then serve.
CMD ["rapport", "serve"]
