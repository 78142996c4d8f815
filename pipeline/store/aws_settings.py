"""Where a bucket is and who asks for it: from its URI, the environment and the files of the AWS command line."""

import configparser
import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyarrow import fs

from pipeline.base.errors import UserError

_URI_OPTIONS = ("region", "endpoint_override", "scheme")
_KEYS = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
}


def bucket_settings(root: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of a client for `s3://[key:secret@]bucket/prefix[?region=...&endpoint_override=...&scheme=http]`.

    Raises UserError for a URI that names no bucket, and for credentials of a kind that only the AWS command line knows.
    """
    uri = urllib.parse.urlsplit(root)
    options = dict(urllib.parse.parse_qsl(uri.query))
    if uri.scheme != "s3" or not uri.hostname or options.keys() - set(_URI_OPTIONS):
        raise UserError(f"ROOT={root}: not a folder that can be used; give a folder or s3://bucket/prefix")
    bucket = uri.netloc.rpartition("@")[2]
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if "endpoint_override" in options:
        endpoint = options["endpoint_override"]
        endpoint = endpoint if "://" in endpoint else f"{options.get('scheme', 'https')}://{endpoint}"
    settings: dict[str, Any] = {"bucket": bucket, "allow_http": bool(endpoint and endpoint.startswith("http://"))}
    if endpoint:
        settings["endpoint"] = endpoint
    if prefix := uri.path.strip("/"):
        settings["prefix"] = urllib.parse.unquote(prefix)
    settings["region"] = options.get("region") or _region(bucket, bool(endpoint), environment)
    if uri.password:
        settings |= {"access_key_id": urllib.parse.unquote(uri.username or "")}
        settings |= {"secret_access_key": urllib.parse.unquote(uri.password)}
    elif "AWS_ACCESS_KEY_ID" not in environment:
        settings |= _profile_credentials(environment)
    return settings


def _region(bucket: str, has_endpoint: bool, environment: Mapping[str, str]) -> str:
    named = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if named or has_endpoint:
        return named or "us-east-1"
    if region := _profile("config", environment).get("region"):
        return region
    try:
        return fs.resolve_s3_region(bucket)
    except OSError as error:
        raise UserError(f"ROOT=s3://{bucket}: its region is not known; set AWS_REGION") from error


def _profile_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Keys of the profile in ~/.aws; nothing where it has none: then the machine's role counts."""
    profile = _profile("config", environment) | _profile("credentials", environment)
    if keys := {_KEYS[name]: value for name, value in profile.items() if name in _KEYS}:
        return keys
    if special := [name for name in profile if name == "role_arn" or name.startswith(("sso_", "credential_process"))]:
        raise UserError(
            f"AWS profile {_profile_name(environment)} ({special[0]}): type "
            'eval "$(aws configure export-credentials --format env)" first'
        )
    return {}


def _profile_name(environment: Mapping[str, str]) -> str:
    return environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"


def _profile(kind: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The profile's section of ~/.aws/config or ~/.aws/credentials; empty where there is none."""
    variable = {"config": "AWS_CONFIG_FILE", "credentials": "AWS_SHARED_CREDENTIALS_FILE"}[kind]
    path = Path(environment.get(variable) or os.path.expanduser(f"~/.aws/{kind}"))
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from error
    name = _profile_name(environment)
    section = f"profile {name}" if kind == "config" and name != "default" else name
    return dict(parser[section]) if parser.has_section(section) else {}
