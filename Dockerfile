# A gossip node in a container. docs/OPERATIONS.md tells how to use it, compose.yaml runs five.
FROM python:3.11-slim

WORKDIR /opt/gossipd
COPY requirements.txt requirements-tls.txt ./
RUN ["pip", "install", "--no-cache-dir", "--disable-pip-version-check", "-r", "requirements-tls.txt"]
COPY gossipd.py ./
COPY config ./config
COPY gossip ./gossip
RUN ["python", "-m", "compileall", "-q", "gossip"]
# A number, so that the owner of a volume is known outside, too.
RUN ["useradd", "--uid", "10001", "--home-dir", "/data", "--create-home", "gossipd"]
USER 10001
VOLUME /data

# Gossip; metrics and health, which are on loopback only until http.listen says otherwise (then change HEALTHZ, too).
EXPOSE 5001 5101
ENV HEALTHZ=http://127.0.0.1:5101/healthz
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=15s --retries=3 CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['HEALTHZ'], timeout=2)"]

# What is always so; then what a `docker run IMAGE …` replaces.
ENTRYPOINT ["python", "gossipd.py", "--no-shell", "--set", "node.data_dir=/data", "--set", "http.listen=:5101"]
CMD ["--listen", "127.0.0.1:5001"]
