// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {TestDollar} from "../TestDollar.sol";

/// @dev The awkward tokens of the wild, each with an open mint.
contract PlainToken is ERC20 {
    constructor() ERC20("Plain", "PLN") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @dev Takes one percent of every transfer.
contract FeeToken is PlainToken {
    function _update(address from, address to, uint256 value) internal override {
        if (from == address(0) || to == address(0)) return super._update(from, to, value);
        super._update(from, to, value - value / 100);
        super._update(from, address(0), value / 100);
    }
}

/// @dev Says false instead of reverting, and moves nothing.
contract FalseToken is PlainToken {
    bool public broken;

    function setBroken(bool to) external {
        broken = to;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        return broken ? false : super.transfer(to, value);
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return broken ? false : super.transferFrom(from, to, value);
    }
}

/// @dev Says true and moves nothing.
contract LyingToken is PlainToken {
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}

/// @dev Refuses transfers to some, and all of them when paused.
contract BarringToken is PlainToken {
    mapping(address => bool) public barred;
    bool public paused;

    error Barred(address account);

    function bar(address account, bool to) external {
        barred[account] = to;
    }

    function pause(bool to) external {
        paused = to;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (paused || barred[to]) revert Barred(to);
        super._update(from, to, value);
    }
}

/// @dev Calls back into the vault during a transfer.
contract ReentrantToken is PlainToken {
    address public target;
    bytes public call_;
    bool public entered;
    bool public succeeded;

    function arm(address target_, bytes calldata data) external {
        target = target_;
        call_ = data;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target != address(0) && !entered) {
            entered = true;
            (succeeded,) = target.call(call_);
        }
    }
}

/// @dev Says that every signature is valid, as an EIP-7702 delegate of a careless wallet may (ERC-1271).
contract YesMan {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}

/// @dev What a wallet's code is that knows no ERC-1271: it answers nothing to nobody.
contract Mute {}

/// @dev A dollar that asks contract wallets too, as USDC does since version 2.2 (EIP-7598).
contract WalletDollar is TestDollar {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        bytes32 struct_ = keccak256(
            abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)
        );
        require(
            SignatureChecker.isValidSignatureNowCalldata(from, _hashTypedDataV4(struct_), signature),
            ERC3009InvalidSignature()
        );
        require(to == msg.sender, ERC20InvalidReceiver(to));
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }
}
