// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title The smallest contract wallet: one key signs for it (ERC-1271) and acts through it
/// @dev For development chains and tests only: nothing ties what the key signs to this wallet.
contract TestWallet is IERC1271 {
    address public immutable key;

    error NotKey(address caller);

    constructor(address key_) {
        key = key_;
    }

    /// @notice Calls `target` as the wallet; by its key only.
    function execute(address target, bytes calldata data) external returns (bytes memory) {
        if (msg.sender != key) revert NotKey(msg.sender);
        return Address.functionCall(target, data);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address recovered, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(hash, signature);
        return failure == ECDSA.RecoverError.NoError && recovered == key ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}
